package plan

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/report"
)

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

// span writes a number of seconds as a duration.
func span(seconds float64) string {
	return report.Duration(time.Duration(seconds * float64(time.Second)))
}

func (i Interval) String() string {
	if math.IsInf(i.High, 1) {
		return report.Number(i.Low) + " or more"
	}
	return report.Number(i.Low) + " to " + report.Number(i.High)
}
