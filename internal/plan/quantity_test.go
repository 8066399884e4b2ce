package plan

import (
	"encoding"
	"math"
	"strings"
	"testing"
)

func TestReadQuantities(t *testing.T) {
	for _, c := range []struct {
		into encoding.TextUnmarshaler
		text string
		want float64
	}{
		{new(Rate), "2000", 2000}, {new(Rate), "2e3", 2000}, {new(Rate), "0.5", 0.5},
		{new(Share), "0.3", 0.3}, {new(Share), "30%", 0.3}, {new(Share), "30 %", 0.3}, {new(Share), "0", 0}, {new(Share), "250%", 2.5},
		{new(Share), "1", 1}, {new(Share), "1.2%", 0.012},
		{new(AvailabilityShare), "0.9999", 0.9999}, {new(AvailabilityShare), "99.99%", 0.9999},
		{new(Bytes), "5TB", 5e12}, {new(Bytes), "500 gb", 5e11}, {new(Bytes), "1GiB", 1 << 30}, {new(Bytes), "4096", 4096},
	} {
		if err := c.into.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%T %q: %v", c.into, c.text, err)
			continue
		}
		var got float64
		switch v := c.into.(type) {
		case *Rate:
			got = float64(*v)
		case *Share:
			got = float64(*v)
		case *AvailabilityShare:
			got = float64(*v)
		case *Bytes:
			got = float64(*v)
		}
		if math.Abs(got-c.want) > 1e-12*c.want {
			t.Errorf("%T %q = %g, want %g", c.into, c.text, got, c.want)
		}
	}
}

func TestInvalidQuantities(t *testing.T) {
	for _, c := range []struct {
		into encoding.TextUnmarshaler
		text string
		want string
	}{
		{new(Rate), "", "not a number"}, {new(Rate), "-5", "not a rate"}, {new(Rate), "0", "not a rate"}, {new(Rate), "NaN", "not a number"},
		{new(Rate), "inf", "too large"}, {new(Rate), "1e400", "too large"}, {new(Rate), "1e13", "not a rate"}, {new(Rate), "5 rps", "not a number"},
		{new(Share), "-0.1", "negative"}, {new(Share), "10", "want 10%, or 1,000%"}, {new(Share), "1.2", "want 1.2%, or 120%"}, {new(Share), "%", "not a number"},
		{new(Share), "1e9%", "want at most 100,000%"},
		{new(AvailabilityShare), "1", "not an availability"}, {new(AvailabilityShare), "100%", "not an availability"},
		{new(AvailabilityShare), "1.2", "want 1.2%"}, {new(AvailabilityShare), "99.99", "want 99.99%"},
		{new(AvailabilityShare), "0", "not an availability"}, {new(AvailabilityShare), "-1", "not an availability"}, {new(AvailabilityShare), "101", "not an availability"},
		{new(Bytes), "TB", "not a size"}, {new(Bytes), "-1TB", "not a size"}, {new(Bytes), "5XB", "not a size"}, {new(Bytes), "1e30", "not a size"},
		{new(Points), "", "not a point"}, {new(Points), "1=1,", "not a point"}, {new(Points), "1", "not a point"}, {new(Points), "1.5=3", "not a point"},
		{new(Points), "0=3", "fleet size 0: want 1 to 1,000,000"}, {new(Points), "1=-3", "not a rate"}, {new(Points), "1=NaN", "not a number"},
		{new(Points), strings.Repeat("1=1,", 5000) + "1=1", "more than"},
		{new(Domains), "0", "want 1 to"}, {new(Domains), "-2", "want 1 to"}, {new(Domains), "1.5", "not a domain"}, {new(Domains), "1.000", "not a domain"}, {new(Domains), "a,a", "not a domain"},
		{new(Domains), "a=x", "not a size"}, {new(Domains), "", "not a domain"},
		{new(Dependencies), "db", "not a dependency"}, {new(Dependencies), "=99%", "not a dependency"}, {new(Dependencies), "db=2e9", "not an availability"},
	} {
		err := c.into.UnmarshalText([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T %.20q: %v, want %q", c.into, c.text, err, c.want)
		}
	}
}

// Every text is refused, or gives inputs with a plan or an error. It never causes a panic.
func FuzzInputs(f *testing.F) {
	f.Add("50000", "1=955,2=1879,3=2688,4=3549", "30%", "99.9%", "5TB", "orders=3TB,users", "lb=99.99%")
	f.Add("1e12", "1=1,2=1,3=1000000,3=1", "0", "0.5", "1", "1000", "db=1e-9")
	f.Fuzz(func(t *testing.T, rate, points, share, availability, bytes, domains, depends string) {
		var in Inputs
		var margin Share
		for text, into := range map[*string]encoding.TextUnmarshaler{
			&rate: &in.PeakRPS, &points: &in.Scaling, &share: &margin, &availability: &in.Availability, &bytes: &in.DataSize,
			&domains: &in.Domains, &depends: &in.Depends,
		} {
			if into.UnmarshalText([]byte(*text)) != nil {
				return
			}
		}
		in.Margin, in.ReadRatio, in.WriteRate, in.ClearBoundaries = &margin, &margin, in.PeakRPS, len(in.Domains) > 1
		if len(in.Scaling) > 12 {
			return // too slow
		}
		if p, err := Decide(in); err == nil {
			checkDocuments(t, p)
		}
	})
}
