package plan

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Instance is a type of machine to rent: one row of a price file.
type Instance struct {
	Provider string
	Region   string
	Type     string // its name, for example "t3.medium"
	VCPU     int
	GiB      float64 // memory; 0 if the file does not give it
	Arch     string  // x86_64 or arm64; empty if the file does not give it
	USDHour  float64 // US dollars per hour
	AsOf     string  // the day the price was valid, YYYY-MM-DD
	Source   string
}

// Prices is a catalogue of instances and their prices.
type Prices []Instance

//go:embed prices.csv
var shippedPrices []byte

// ShippedPrices returns approximate public list prices, each with its source and date. They are enough for a first
// plan. Check them before you buy.
func ShippedPrices() Prices {
	prices, err := ReadPrices(bytes.NewReader(shippedPrices))
	if err != nil {
		panic(err) // the embedded file is wrong: a test of this package reads it
	}
	return prices
}

// Limits of a price file. All instance types of all regions of a large provider fit.
const (
	maxPriceFile = 16 << 20
	maxPriceRows = 100_000
)

// ReadPrices reads a CSV file. Its first line names the columns, in any order. The columns type, vcpu, usd_hour and
// as_of are required; provider, region, gib, arch and source are optional. ReadPrices fails on any other column, on a
// value out of range and on a second price for one type in one region.
func ReadPrices(r io.Reader) (Prices, error) {
	text, err := usertext.Read(r, maxPriceFile)
	if err != nil {
		return nil, err
	}
	rows := usertext.NewCSV(text)
	header, err := rows.Read()
	if err == io.EOF {
		return nil, errors.New("the price file is empty")
	}
	if err != nil {
		return nil, err
	}
	columns, err := priceColumns(header)
	if err != nil {
		return nil, err
	}
	var prices Prices
	lines := map[[3]string]int{} // by provider, region and type
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(prices) == maxPriceRows {
			return nil, fmt.Errorf("more than %d rows", maxPriceRows)
		}
		line := rows.Line()
		if len(row) != len(header) {
			return nil, fmt.Errorf("record on line %d: wrong number of fields: %d instead of %d", line, len(row), len(header))
		}
		one, err := parseInstance(row, columns)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		key := [3]string{one.Provider, one.Region, one.Type}
		if first, twice := lines[key]; twice {
			return nil, fmt.Errorf("line %d: duplicate type %q: its price is on line %d", line, one.Type, first)
		}
		lines[key] = line
		prices = append(prices, one)
	}
	if len(prices) == 0 {
		return nil, errors.New("the price file has a header but no prices")
	}
	return prices, nil
}

// priceColumns returns the index of each column.
func priceColumns(header []string) (map[string]int, error) {
	known := []string{"provider", "region", "type", "vcpu", "gib", "arch", "usd_hour", "as_of", "source"}
	columns := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(name)
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("line 1: unknown column %q: want %s", name, strings.Join(known, ","))
		}
		if _, twice := columns[name]; twice {
			return nil, fmt.Errorf("line 1: duplicate column %q", name)
		}
		columns[name] = i
	}
	for _, name := range []string{"type", "vcpu", "usd_hour", "as_of"} {
		if _, ok := columns[name]; !ok {
			return nil, fmt.Errorf("line 1: column %q is missing: want type,vcpu,usd_hour,as_of", name)
		}
	}
	return columns, nil
}

func parseInstance(row []string, columns map[string]int) (one Instance, err error) {
	field := func(name string) string {
		if i, ok := columns[name]; ok {
			return row[i]
		}
		return ""
	}
	one = Instance{
		Provider: field("provider"), Region: field("region"), Type: field("type"),
		Arch: field("arch"), AsOf: field("as_of"), Source: field("source"),
	}
	if one.Type == "" {
		return one, errors.New("type is empty")
	}
	if one.VCPU, err = strconv.Atoi(field("vcpu")); err != nil || one.VCPU < 1 || one.VCPU > 100_000 {
		return one, fmt.Errorf("vcpu %q: want a whole number from 1", field("vcpu"))
	}
	if one.USDHour, err = parseDecimal(field("usd_hour")); err != nil || one.USDHour < 0 || one.USDHour > 1e6 {
		return one, fmt.Errorf("usd_hour %q: want US dollars per hour, for example 0.0416", field("usd_hour"))
	}
	if _, err := time.Parse(time.DateOnly, one.AsOf); err != nil {
		return one, fmt.Errorf("as_of %q: want the day of the price, for example 2026-01-19", one.AsOf)
	}
	if text := field("gib"); text != "" {
		if err := usertext.CheckNumber(text); err != nil {
			return one, fmt.Errorf("gib: %w", err)
		}
		if one.GiB, err = parseDecimal(text); err != nil || one.GiB <= 0 {
			return one, fmt.Errorf("gib %q: want the memory in GiB, for example 3.75", text)
		}
	}
	return one, nil
}

// smallest returns the instance with the fewest cores, and of those the cheapest.
func (p Prices) smallest() Instance {
	return slices.MinFunc(p, func(a,
		b Instance) int {
		return cmp.Or(a.VCPU-b.VCPU, cmp.Compare(a.USDHour, b.USDHour))
	})
}

// examples lists about six types.
func (p Prices) examples() string {
	var types []string
	for i := 0; i < len(p); i += max(1, len(p)/6) {
		types = append(types, p[i].Type)
	}
	return strings.Join(types, ", ")
}

// Find returns the instance of a type. If several regions have it, Find returns the first in the file.
func (p Prices) Find(name string) (Instance, bool) {
	i := slices.IndexFunc(p, func(one Instance) bool { return one.Type == name })
	if i < 0 {
		return Instance{}, false
	}
	return p[i], true
}

// family returns the instances that can replace one by a restart: same provider, region and architecture, and at least
// its cores and memory. The smallest come first, then the cheapest.
func (p Prices) family(one Instance) Prices {
	var family Prices
	for _, other := range p {
		if other.Provider == one.Provider && other.Region == one.Region && other.Arch == one.Arch &&
			other.VCPU >= one.VCPU && other.GiB >= one.GiB {
			family = append(family, other)
		}
	}
	slices.SortStableFunc(family, func(a, b Instance) int {
		return cmp.Or(a.VCPU-b.VCPU, int(1e6*(a.USDHour-b.USDHour)))
	})
	return family
}

// String returns the type with its size: "t3.medium (2 vCPU, 4 GiB)".
func (one Instance) String() string {
	text := fmt.Sprintf("%s (%d vCPU", one.Type, one.VCPU)
	if one.GiB > 0 {
		text += fmt.Sprintf(", %g GiB", one.GiB)
	}
	return text + ")"
}
