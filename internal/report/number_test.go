package report

import (
	"math"
	"testing"
	"time"
)

func TestNumberKeepsFourDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.000262: "0.000262", 0.020449: "0.0204", 0.5: "0.5", 1: "1", math.Copysign(0, -1): "0", 1.2e-5: "1.2e-05", 9.999: "10", 1.19: "1.19", 98.039: "98.04",
		945.71: "945.7", 999.96: "1,000", 1530: "1,530", 1530.4: "1,530", 1234567: "1,234,567", 100: "100", 99.999: "100",
		-5: "-5", -0.25: "-0.25", -123: "-123", -1234.5: "-1,234", -123456: "-123,456",
		math.Inf(1): "any number", math.Inf(-1): "unknown", 1e12: "1,000,000,000,000",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%g) = %q, want %q", v, got, want)
		}
	}
	if got := Number(math.NaN()); got != "unknown" {
		t.Errorf("Number(NaN) = %q", got)
	}
}

func TestShortKeepsThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0051: "0.0051", 0.123: "0.12", 1.2345: "1.23", 9.999: "10", 12.34: "12.3", 99.97: "100", 123.4: "123", 1530.4: "1,530",
		-12.34: "-12.3", -100: "-100", 20000: "20,000",
	} {
		if got := Short(v); got != want {
			t.Errorf("Short(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestPercentAndCountAddAUnit(t *testing.T) {
	for got, want := range map[string]string{
		Percent(0.3): "30%", Percent(0.0001): "0.01%", Percent(1.0 / 3): "33.33%", Percent(12): "1,200%",
		Count(0, "node"): "0 nodes", Count(1, "node"): "1 node", Count(2, "node"): "2 nodes", Count(1234567, "row"): "1,234,567 rows",
		Count(-1, "node"): "-1 node", Count(-100, "node"): "-100 nodes",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDurationUsesOneUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 40 * time.Microsecond: "0s", 1234 * time.Microsecond: "1.2ms", 60480 * time.Millisecond: "60.5 s", 99 * time.Second: "99.0 s",
		100 * time.Second: "1.67 min", 3153600 * time.Millisecond: "52.56 min", 2 * time.Hour: "2.00 h", 49 * time.Hour: "2.04 days",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}
