package report

import "unicode/utf8"

// Layout is the size of a plot and of the plotted area in it, in the units of its SVG. A page has each plot twice, in a large
// and in a small layout, and its style sheet shows the one that fits: an SVG that shrinks to the width of a phone would
// have letters of 4 pixels.
type Layout struct {
	Class                    string // CSS class of the SVG
	Width, Height            float64
	Left, Right, Top, Bottom float64 // of the plotted area
}

// Widths of a page, in CSS pixels.
const (
	smallWidth = 360 // of a phone
	smallFont  = 13  // of the text of a small layout, in units of its SVG
)

// Style is the part of a style sheet that shows the layout with the class large from 56 rem on, and the one with the class
// small below. The text of a small one has about 12 pixels on a phone with a width of 360 pixels.
const Style = `svg.small { display: none; max-width: 30rem } svg.small text { font-size: 13px }
@media (max-width: 56rem) { svg.large { display: none } svg.small { display: block } }`

// Small returns the layout for a phone with that height. The labels behind the plotted area have the width labels.
func Small(height, labels float64) Layout {
	return Layout{Class: "small", Width: smallWidth, Height: height, Left: 54, Right: smallWidth - labels, Top: 18, Bottom: height - 40}
}

// letter is the width of a letter of the small layout.
const letter = 0.6 * smallFont

// ThinX leaves out ticks so that the texts below an axis do not touch each other: it keeps every second, third, ... tick.
func ThinX(ticks []Tick) []Tick {
	width := 0.0
	for _, t := range ticks {
		width = max(width, letter*float64(utf8.RuneCountInString(t.Text))+letter)
	}
	return thin(ticks, width)
}

// ThinY is ThinX for an axis with texts next to it.
func ThinY(ticks []Tick) []Tick { return thin(ticks, 1.3*smallFont) }

func thin(ticks []Tick, least float64) []Tick {
	for every := 1; every < len(ticks); every++ {
		var kept []Tick
		fits := true
		for i := 0; i < len(ticks); i += every {
			if n := len(kept); n > 0 && abs(kept[n-1].At-ticks[i].At) < least {
				fits = false
			}
			kept = append(kept, ticks[i])
		}
		if fits {
			return kept
		}
	}
	return ticks[:min(len(ticks), 1)]
}

func abs(v float64) float64 { return max(v, -v) }
