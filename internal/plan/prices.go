package plan

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Instance is a size of machine that can be rented: one row of a price file.
type Instance struct {
	Provider string
	Region   string
	Type     string // its name, for example "t3.medium"
	VCPU     int
	GiB      float64 // memory; 0 when the file does not say
	Arch     string  // x86_64 or arm64; empty when the file does not say
	USDHour  float64 // US dollars per hour
	AsOf     string  // the day the price was valid, YYYY-MM-DD
	Source   string
}

// Prices is a catalogue of instances and what they cost.
type Prices []Instance

//go:embed prices.csv
var shippedPrices []byte

// ShippedPrices are approximate public list prices, each with its source and date: enough for a first plan, to be checked
// before anything is bought.
func ShippedPrices() Prices {
	prices, err := ReadPrices(bytes.NewReader(shippedPrices))
	if err != nil {
		panic(err) // the embedded file is wrong: a test of this package reads it
	}
	return prices
}

// Limits of a price file: all instance types of all regions of a large provider fit.
const (
	maxPriceFile = 16 << 20
	maxPriceRows = 100_000
)

// ReadPrices reads a CSV file whose first line names its columns, in any order: type, vcpu, usd_hour and as_of are
// required; provider, region, gib, arch and source are optional; others are refused.
func ReadPrices(r io.Reader) (Prices, error) {
	data, err := readLimited(r, maxPriceFile)
	if err != nil {
		return nil, err
	}
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	rows.TrimLeadingSpace, rows.ReuseRecord = true, true
	header, err := rows.Read()
	if err == io.EOF {
		return nil, errors.New("it is empty")
	}
	if err != nil {
		return nil, err
	}
	columns, err := priceColumns(header)
	if err != nil {
		return nil, err
	}
	var prices Prices
	lines := map[[3]string]int{} // of what has a price already
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(prices) == maxPriceRows {
			return nil, fmt.Errorf("it has more than %d rows", maxPriceRows)
		}
		one, err := parseInstance(row, columns)
		line, _ := rows.FieldPos(0)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		key := [3]string{one.Provider, one.Region, one.Type}
		if first, twice := lines[key]; twice {
			return nil, fmt.Errorf("line %d: type %q has a price on line %d already", line, one.Type, first)
		}
		lines[key] = line
		prices = append(prices, one)
	}
	if len(prices) == 0 {
		return nil, errors.New("it has a header and no prices")
	}
	return prices, nil
}

// priceColumns finds each column's place.
func priceColumns(header []string) (map[string]int, error) {
	known := []string{"provider", "region", "type", "vcpu", "gib", "arch", "usd_hour", "as_of", "source"}
	columns := map[string]int{}
	for i, name := range header {
		name = strings.TrimSpace(strings.ToLower(name))
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("line 1: unknown column %q: want %s", name, strings.Join(known, ","))
		}
		if _, twice := columns[name]; twice {
			return nil, fmt.Errorf("line 1: column %q stands there twice", name)
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
			return strings.Clone(strings.TrimSpace(row[i])) // the reader reuses row
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
	if one.USDHour, err = parseNumber(field("usd_hour")); err != nil || one.USDHour < 0 || one.USDHour > 1e6 {
		return one, fmt.Errorf("usd_hour %q: want US dollars per hour, for example 0.0416", field("usd_hour"))
	}
	if _, err := time.Parse(time.DateOnly, one.AsOf); err != nil {
		return one, fmt.Errorf("as_of %q: want the day of the price, for example 2026-01-19", one.AsOf)
	}
	if text := field("gib"); text != "" {
		if one.GiB, err = parseNumber(text); err != nil || one.GiB <= 0 {
			return one, fmt.Errorf("gib %q: want the memory in GiB", text)
		}
	}
	return one, nil
}

// Find returns the instance of that type; of several regions, the first in the file.
func (p Prices) Find(name string) (Instance, bool) {
	i := slices.IndexFunc(p, func(one Instance) bool { return one.Type == name })
	if i < 0 {
		return Instance{}, false
	}
	return p[i], true
}

// kin are the instances that could replace one without more than a restart: same provider, region and architecture, and
// at least its memory; the smallest first, then the cheapest.
func (p Prices) kin(one Instance) Prices {
	var kin Prices
	for _, other := range p {
		if other.Provider == one.Provider && other.Region == one.Region && other.Arch == one.Arch &&
			other.VCPU >= one.VCPU && other.GiB >= one.GiB {
			kin = append(kin, other)
		}
	}
	slices.SortStableFunc(kin, func(a, b Instance) int {
		if a.VCPU != b.VCPU {
			return a.VCPU - b.VCPU
		}
		return int(1e6 * (a.USDHour - b.USDHour))
	})
	return kin
}

func (one Instance) String() string {
	text := fmt.Sprintf("%s (%d vCPU", one.Type, one.VCPU)
	if one.GiB > 0 {
		text += fmt.Sprintf(", %g GiB", one.GiB)
	}
	return text + ")"
}
