package report

import (
	"math"
	"slices"
	"testing"
)

func texts(ticks []Tick) (texts []string) {
	for _, t := range ticks {
		texts = append(texts, t.Text)
	}
	return texts
}

func TestTicksAreRoundNumbers(t *testing.T) {
	for _, c := range []struct {
		high float64
		want []string
	}{
		{1, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{4.5, []string{"0", "1", "2", "3", "4"}},
		{12, []string{"0", "2", "4", "6", "8", "10", "12"}},
		{100, []string{"0", "20", "40", "60", "80", "100"}},
		{6531, []string{"0", "1,000", "2,000", "3,000", "4,000", "5,000", "6,000"}},
		{0, nil}, {-3, nil}, {math.Inf(1), nil}, {math.NaN(), nil},
	} {
		if got := texts(Axis{High: c.high, To: 100}.Ticks()); !slices.Equal(got, c.want) {
			t.Errorf("0 to %g: %q, want %q", c.high, got, c.want)
		}
	}
}

func TestAnAxisHasFiveToTenTicks(t *testing.T) {
	for high := 1e-6; high < 1e9; high *= 1.07 {
		ticks := Axis{High: high, To: 100}.Ticks()
		if len(ticks) < 5 || len(ticks) > 10 {
			t.Errorf("0 to %g: %d ticks", high, len(ticks))
		}
		if last := ticks[len(ticks)-1].At; last > 100 || last < 75 {
			t.Errorf("0 to %g: the last of %d ticks is at %g %%", high, len(ticks), last)
		}
	}
}

func TestALogarithmicAxisHasPowersOfTen(t *testing.T) {
	a := Axis{Low: 0.1, High: 1000, From: 400, To: 0, Logarithmic: true}
	want := []Tick{{400, "0.1"}, {300, "1"}, {200, "10"}, {100, "100"}, {0, "1,000"}}
	if got := a.Ticks(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAValueOutsideOfTheAxisIsDrawnAtItsEnd(t *testing.T) {
	a := Axis{High: 10, From: 300, To: 12}
	for v, want := range map[float64]float64{-1: 300, 0: 300, 5: 156, 10: 12, 11: 12, math.Inf(1): 12, 1.0 / 3: 290.4} {
		if got := a.At(v); got != want {
			t.Errorf("At(%g) = %g, want %g", v, got, want)
		}
	}
	if got := (Axis{Low: 3, High: 3, From: 300, To: 12}).At(3); got != 12 {
		t.Errorf("an axis of one value: %g", got)
	}
}
