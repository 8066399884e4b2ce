package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Rate is a number of things per second, above zero. The zero value means that it was not given.
type Rate float64

// UnmarshalText reads "2000" or "2e3".
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := parseNumber(string(text))
	if err != nil {
		return err
	}
	if v <= 0 || v > 1e12 {
		return fmt.Errorf("%q is not a rate: want a number above 0, up to 1e12", text)
	}
	*r = Rate(v)
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
		return fmt.Errorf("%q is more than a share can be", text)
	}
	*s = Share(v)
	return nil
}

// parseShare reads a part of a whole: a bare number up to 1, or one with a percent sign. A bare number above 1 has two
// readings and is refused: who writes --growth 10 means 10 %, not 1,000 %.
func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := parseNumber(strings.TrimSpace(digits))
	switch {
	case err != nil:
		return 0, err
	case percent:
		return v / 100, nil
	case v > 1:
		return 0, fmt.Errorf("%q has no percent sign: write %s%%, or %s%% if that is meant", text, report.Number(v), report.Number(v*100))
	}
	return v, nil
}

// Availability is a share of time, above 0 and below 1. The zero value means that it was not given.
type Availability float64

// UnmarshalText reads "0.9999" or "99.99%".
func (a *Availability) UnmarshalText(text []byte) error {
	digits, percent := strings.CutSuffix(string(text), "%")
	v, err := parseNumber(strings.TrimSpace(digits))
	switch {
	case err != nil:
		return err
	case percent:
		v /= 100
	case v > 1 && v < 100:
		return fmt.Errorf("%q has no percent sign: write %g%%", text, v)
	}
	if v <= 0 || v >= 1 {
		return fmt.Errorf("%q is not an availability: want more than 0 and less than 100%%, for example 99.9%%", text)
	}
	*a = Availability(v)
	return nil
}

// Bytes is an amount of data, above zero. The zero value means that it was not given.
type Bytes float64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"pib", 1 << 50}, {"tib", 1 << 40}, {"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10},
	{"pb", 1e15}, {"tb", 1e12}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"b", 1},
}

// UnmarshalText reads "5TB", "500 GiB" or a plain number of bytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, factor := strings.ToLower(strings.TrimSpace(string(text))), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	v, err := parseNumber(digits)
	if err != nil {
		return fmt.Errorf("%q is not a size: want a number and a unit, for example 500GB or 5TB", text)
	}
	if v *= factor; v < 1 || v > 1e21 {
		return fmt.Errorf("%q is not a size: want 1 byte to 1,000,000 PB", text)
	}
	*b = Bytes(v)
	return nil
}

func (b Bytes) String() string {
	for _, u := range byteUnits[5:] {
		if float64(b) >= u.factor {
			return fmt.Sprintf("%.4g %s", float64(b)/u.factor, strings.ToUpper(u.suffix))
		}
	}
	return "0 B"
}

// parseNumber reads a finite decimal number.
func parseNumber(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is too large", text)
	}
	if err != nil || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return v, nil
}
