package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// number writes v for people: thousands apart, no digits that say nothing.
func number(v float64) string {
	digits := 0
	switch size := math.Abs(v); {
	case math.IsInf(v, 1):
		return "any number"
	case size < 1 && size > 0:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case size < 100:
		digits = 2
	case size < 1000:
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// percent writes a share for people.
func percent(share float64) string {
	return number(share*100) + "%"
}

// nines writes an availability, rounded down, with as many digits as its downtime needs: 99.9702%.
func nines(a float64) string {
	digits := 2
	if a < 1 {
		digits = min(max(2, int(math.Ceil(-math.Log10(1-a)))), 8)
	}
	unit := math.Pow(10, float64(digits))
	text := strconv.FormatFloat(math.Floor(a*100*unit+1e-6)/unit, 'f', digits, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// span writes a duration in the one unit that reads best.
func span(seconds float64) string {
	switch {
	case seconds >= 48*3600:
		return fmt.Sprintf("%.2f days", seconds/(24*3600))
	case seconds >= 2*3600:
		return fmt.Sprintf("%.2f h", seconds/3600)
	case seconds >= 100:
		return fmt.Sprintf("%.2f min", seconds/60)
	case seconds >= 1:
		return fmt.Sprintf("%.1f s", seconds)
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond * 100).String()
}

// count writes "1 node", "2 nodes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(float64(n)) + " " + noun + "s"
}

func (i Interval) String() string {
	if math.IsInf(i.High, 1) {
		return number(i.Low) + " or more"
	}
	return number(i.Low) + " to " + number(i.High)
}
