// Package report formats numbers and places axis ticks, for text and for SVG pages.
//
// Number writes results to four digits. Short writes measurements to three, which is as much as a load test repeats.
// Percent, Count and Duration add a unit. Axis maps values to coordinates and chooses the ticks.
package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number writes v to four significant digits, with at most two decimals from 1 on: 0.0204, 98.04, 843.2, 1,530.
// All digits before the point are kept, in groups of three. Infinity is "any number".
func Number(v float64) string { return format(v, 4) }

// Short writes v to three significant digits: 0.12, 1.5, 98.1, 843, 1,530. All digits before the point are kept.
func Short(v float64) string { return format(v, 3) }

// Percent writes a share of 1 as a percentage, to four digits like Number: 0.3 is "30%".
func Percent(share float64) string { return Number(share*100) + "%" }

// Count writes a number of things: "1 node", "1,200 nodes". The plural of the noun is made with an "s".
func Count(n int, noun string) string {
	if n == 1 || n == -1 {
		return strconv.Itoa(n) + " " + noun
	}
	return group(strconv.Itoa(n)) + " " + noun + "s"
}

// Duration writes d in one unit, from fractions of a millisecond to days: "0.5ms", "60.5 s", "52.56 min", "3.65 days".
func Duration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.2f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.2f h", d.Hours())
	case d >= 100*time.Second:
		return fmt.Sprintf("%.2f min", d.Minutes())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(100 * time.Microsecond).String()
}

// format writes v to the given number of significant digits: one less below 1, and at most two decimals from 1 on.
func format(v float64, digits int) string {
	size := math.Abs(v)
	switch {
	case v == 0:
		return "0" // also for -0
	case math.IsInf(v, 1):
		return "any number"
	case math.IsInf(v, -1) || math.IsNaN(v):
		return "unknown"
	case size < 1:
		return strconv.FormatFloat(v, 'g', digits-1, 64)
	}
	decimals, limit := min(digits-1, 2), math.Pow(10, float64(digits-2))
	for decimals > 0 && size >= limit {
		decimals, limit = decimals-1, limit*10
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return group(text)
}

// group puts commas between the thousands of a decimal number.
func group(text string) string {
	whole, fraction, hasFraction := strings.Cut(text, ".")
	digits := strings.TrimPrefix(whole, "-")
	sign := whole[:len(whole)-len(digits)]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if hasFraction {
		digits += "." + fraction
	}
	return sign + digits
}
