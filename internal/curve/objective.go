package curve

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Objective is what a target must meet. The zero value has no limits; then only the throughput must follow the rate.
type Objective struct {
	Latencies []LatencyLimit
	Errors    *float64 // highest share of failed requests; nil: no limit
}

// LatencyLimit is the highest allowed value of one quantile of the latency.
type LatencyLimit struct {
	Name     string  // as in the objective's text: p50, p90, p95, p99, p999, p99.9 or max
	Quantile float64 // 0 to 1
	Limit    time.Duration
}

var quantiles = map[string]float64{
	"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "p99.9": 0.999, "max": 1,
}

// ParseObjective reads an objective such as "p99=200ms,errors=0.1%". It fails if a part is unknown, repeated or out of
// range.
func ParseObjective(text string) (Objective, error) {
	var o Objective
	for part := range strings.SplitSeq(text, ",") {
		if err := o.add(part); err != nil {
			return Objective{}, fmt.Errorf("objective %q: %w", part, err)
		}
	}
	return o, nil
}

func (o *Objective) add(part string) error {
	const example = "want for example p99=200ms,errors=0.1%"
	name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
	q, isLatency := quantiles[name]
	switch {
	case !ok:
		return errors.New(example)
	case o.has(name):
		return fmt.Errorf("duplicate limit for %s", name)
	case isLatency:
		if err := usertext.CheckNumber(value); err != nil {
			return err
		}
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 || d > time.Hour {
			return fmt.Errorf("want a time above 0, up to 1h: %s=200ms", name)
		}
		o.Latencies = append(o.Latencies, LatencyLimit{name, q, d})
	case name == "errors":
		share, err := parseShare(value)
		if err != nil {
			return err
		}
		o.Errors = &share
	default:
		return fmt.Errorf("unknown limit %q; %s", name, example)
	}
	return nil
}

func (o *Objective) has(name string) bool {
	isName := func(l LatencyLimit) bool { return l.Name == name }
	return name == "errors" && o.Errors != nil || slices.ContainsFunc(o.Latencies, isName)
}

// parseShare reads a share of errors. It requires a percent sign, because errors=0.1 could mean 10 % or 0.1 %.
func parseShare(text string) (float64, error) {
	digits, sign := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	switch {
	case err == nil && !sign && v > 0 && v < 1:
		return 0, fmt.Errorf("want a percent sign: errors=%s, or errors=%s%%", percent(v), digits)
	case err == nil && !sign && v >= 1 && v < 100:
		return 0, fmt.Errorf("want a percent sign: errors=%s%%", digits)
	case err != nil || !(v >= 0 && v < 100):
		return 0, errors.New("want a share from 0% to below 100%: errors=0.1%")
	}
	return v / 100, nil
}

// IsZero reports whether the objective has no limits.
func (o Objective) IsZero() bool { return len(o.Latencies) == 0 && o.Errors == nil }

// String returns the objective in the form that ParseObjective reads.
func (o Objective) String() string {
	var parts []string
	for _, l := range o.Latencies {
		parts = append(parts, fmt.Sprintf("%s=%v", l.Name, l.Limit))
	}
	if o.Errors != nil {
		parts = append(parts, "errors="+percent(*o.Errors))
	}
	return strings.Join(parts, ",")
}

// MarshalText returns String.
func (o Objective) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText is ParseObjective.
func (o *Objective) UnmarshalText(text []byte) (err error) {
	*o, err = ParseObjective(string(text))
	return err
}

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64) + "%"
}
