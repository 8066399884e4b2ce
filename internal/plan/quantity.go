package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Rate is a number of events per second, above 0. The zero value means that the rate is not known.
type Rate float64

// UnmarshalText reads "2000" or "2e3".
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := parseNumber(string(text))
	if err != nil {
		return err
	}
	if v <= 0 || v > queueing.MaxRate {
		return fmt.Errorf("%q is not a rate: want a number above 0, up to 1e12", text)
	}
	*r = Rate(v)
	return nil
}

// Points are measured fleet sizes. Their text form is "1=995,2=1852,4=3501".
type Points []queueing.Point

const maxPoints = 1_000

// UnmarshalText reads "1=995,2=1852,4=3501".
func (p *Points) UnmarshalText(text []byte) error {
	if strings.Count(string(text), ",") >= maxPoints {
		return fmt.Errorf("more than %d points", maxPoints)
	}
	var points Points
	for pair := range strings.SplitSeq(string(text), ",") {
		nodes, rps, ok := strings.Cut(pair, "=")
		n, err := strconv.Atoi(strings.TrimSpace(nodes))
		if !ok || err != nil {
			return fmt.Errorf("%q is not a point: want NODES=RPS, for example 1=995,2=1852,4=3501", pair)
		}
		var rate Rate
		if err := rate.UnmarshalText([]byte(strings.TrimSpace(rps))); err != nil {
			return fmt.Errorf("point %q: %w", pair, err)
		}
		point := queueing.Point{Nodes: n, Rate: float64(rate)}
		if err := point.Check(); err != nil {
			return err
		}
		points = append(points, point)
	}
	*p = points
	return nil
}

// Share is a part of a whole: 0.3 is 30 %.
type Share float64

// UnmarshalText reads "0.3" or "30%".
func (s *Share) UnmarshalText(text []byte) error {
	v, err := parseShare(string(text))
	switch {
	case err != nil:
		return err
	case v < 0:
		return fmt.Errorf("%q is negative", text)
	case v > 1000:
		return fmt.Errorf("share %q: want at most 100,000%%", text)
	}
	*s = Share(v)
	return nil
}

// parseShare reads a number up to 1, or a number with a percent sign. It refuses a number above 1 without a percent
// sign, because its meaning is ambiguous: 10 could mean 10 % or 1,000 %.
func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := parseDecimal(strings.TrimSpace(digits))
	switch {
	case err != nil:
		return 0, err
	case percent:
		return v / 100, nil
	case v > 1:
		return 0, fmt.Errorf("%q has no percent sign: want %s%%, or %s%%", text, report.Number(v), report.Number(v*100))
	}
	return v, nil
}

// AvailabilityShare is a share of time, above 0 and below 1. The zero value means that the share is not known.
type AvailabilityShare float64

// UnmarshalText reads "0.9999" or "99.99%".
func (a *AvailabilityShare) UnmarshalText(text []byte) error {
	digits, percent := strings.CutSuffix(string(text), "%")
	v, err := parseDecimal(strings.TrimSpace(digits))
	switch {
	case err != nil:
		return err
	case percent:
		v /= 100
	case v > 1 && v < 100:
		return fmt.Errorf("%q has no percent sign: want %g%%", text, v)
	}
	if v <= 0 || v >= 1 {
		return fmt.Errorf("%q is not an availability: want more than 0 and less than 100%%, for example 99.9%%", text)
	}
	*a = AvailabilityShare(v)
	return nil
}

// nines writes an availability with as many digits as its downtime needs, rounded down: 99.9702%.
func nines(a float64) string {
	digits := 2
	if a < 1 {
		digits = min(max(2, int(math.Ceil(-math.Log10(1-a)))), 8)
	}
	unit := math.Pow(10, float64(digits))
	text := strconv.FormatFloat(math.Floor(a*100*unit+1e-6)/unit, 'f', digits, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// Dependency is something that the service cannot work without.
type Dependency struct {
	Name         string  `json:"name"`
	Availability float64 `json:"availability"`
}

// Dependencies have the text form "lb=99.99%,db=99.95%".
type Dependencies []Dependency

// UnmarshalText reads "lb=99.99%,db=99.95%".
func (d *Dependencies) UnmarshalText(text []byte) error {
	var all Dependencies
	for pair := range strings.SplitSeq(string(text), ",") {
		name, share, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return fmt.Errorf("%q is not a dependency: want NAME=AVAILABILITY, for example db=99.95%%", pair)
		}
		var a AvailabilityShare
		if err := a.UnmarshalText([]byte(strings.TrimSpace(share))); err != nil {
			return fmt.Errorf("dependency %q: %w", name, err)
		}
		all = append(all, Dependency{name, float64(a)})
	}
	*d = all
	return nil
}

// availability returns the availability of all dependencies together.
func (d Dependencies) availability() float64 {
	a := 1.0
	for _, one := range d {
		a *= one.Availability
	}
	return a
}

// Bytes is an amount of data, above 0. The zero value means that the amount is not known.
type Bytes float64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"pib", 1 << 50}, {"tib", 1 << 40}, {"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10},
	{"pb", 1e15}, {"tb", 1e12}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"b", 1},
}

// UnmarshalText reads "5TB", "500 GiB" or a number of bytes without a unit.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, factor := strings.ToLower(strings.TrimSpace(string(text))), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	if err := usertext.CheckNumber(string(text)); err != nil {
		return err
	}
	v, err := parseDecimal(digits)
	if err != nil {
		return fmt.Errorf("%q is not a size: want a number and a unit, for example 500GB or 5TB", text)
	}
	if v *= factor; v < 1 || v > 1e21 {
		return fmt.Errorf("%q is not a size: want 1 byte to 1,000,000 PB", text)
	}
	*b = Bytes(v)
	return nil
}

// String returns the amount in the largest decimal unit, with four digits.
func (b Bytes) String() string {
	for _, u := range byteUnits[5:] {
		if float64(b) >= u.factor {
			return fmt.Sprintf("%.4g %s", float64(b)/u.factor, strings.ToUpper(u.suffix))
		}
	}
	return "0 B"
}

// parseNumber reads a finite decimal number. It refuses a number such as 1.000, which may mean 1 or 1000.
func parseNumber(text string) (float64, error) {
	if err := usertext.CheckNumber(text); err != nil {
		return 0, err
	}
	return parseDecimal(text)
}

// parseDecimal reads a finite decimal number, whose point never separates thousands.
func parseDecimal(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is too large", text)
	}
	if err != nil || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return v, nil
}
