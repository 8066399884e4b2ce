package plan

import (
	"strings"
	"testing"
)

func TestShippedPrices(t *testing.T) {
	prices := ShippedPrices()
	if len(prices) < 36 {
		t.Errorf("%d rows, want a few dozen", len(prices))
	}
	seen := map[string]bool{}
	for _, one := range prices {
		if one.AsOf == "" || one.Source == "" || one.GiB == 0 || one.Arch == "" || seen[one.Type] {
			t.Errorf("incomplete or duplicate: %+v", one)
		}
		seen[one.Type] = true
	}
	for name, usd := range map[string]float64{"t3.medium": 0.0416, "t4g.medium": 0.0336, "m5.large": 0.096, "c7g.large": 0.0725,
		"c7i.2xlarge": 0.357, "m7i.4xlarge": 0.8064} {
		if one, ok := prices.Find(name); !ok || one.USDHour != usd {
			t.Errorf("%s: $%g, want $%g", name, one.USDHour, usd)
		}
	}
}

func TestPlanWithOtherPrices(t *testing.T) {
	prices, err := ReadPrices(strings.NewReader("\ufeffas_of, usd_hour, vcpu, type\n2026-02-01, 0.05, 2, small\n2026-02-01, 0.9, 32, big\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := mustDecide(t, Inputs{PeakRPS: 1000, NodeRPS: 100, Margin: share(0), Prices: prices})
	if p.Cost.Type != "small" || p.Cost.AsOf != "2026-02-01" || p.Cost.Machines != 10 {
		t.Errorf("got %+v", p.Cost)
	}
	near(t, "cost", p.Cost.PerHour, 0.5, 6)
	p = mustDecide(t, Inputs{CurrentRPS: 100, PeakRPS: 400, Prices: prices})
	if p.Strategy.Kind != ScaleUp || p.Strategy.ScaleUpTo != "big" {
		t.Errorf("got %+v", p.Strategy)
	}
	if _, err := Decide(Inputs{PeakRPS: 1, NodeRPS: 1, Instance: "t3.medium", Prices: prices}); err == nil {
		t.Error("a type that is not in the price file must be an error")
	}
}

func TestReadPricesOfSpreadsheets(t *testing.T) {
	for _, text := range []string{
		"\ufefftype,vcpu,usd_hour,as_of,gib\r\na,2,1.234,2026-01-01,3.75\r\n",
		"type;vcpu;usd_hour;as_of;gib\na;2;1.234;2026-01-01;3.75\n",
		"sep=;\r\nType; vCPU;usd_hour\u00a0;as_of;gib\r\na; 2;1.234;2026-01-01;\u00a03.75\r\n",
		"type\tvcpu\tusd_hour\tas_of\tgib\na\t2\t1.234\t2026-01-01\t3.75\n",
	} {
		prices, err := ReadPrices(strings.NewReader(text))
		if err != nil || len(prices) != 1 || prices[0].USDHour != 1.234 || prices[0].GiB != 3.75 || prices[0].Type != "a" {
			t.Errorf("%q: got %+v, %v", text, prices, err)
		}
	}
	for text, want := range map[string]string{
		"\xff\xfet\x00y\x00":                                     "UTF-16",
		"type,vcpu,usd_hour,as_of\n\xe4,2,1,2026-01-01\n":        "line 2, column 1: the file is not valid UTF-8 here",
		"type;vcpu;usd_hour;as_of\na;2;0,04;2026-01-01\n":        `line 2: usd_hour "0,04": want US dollars per hour, for example 0.0416`,
		"type,vcpu,usd_hour,as_of,gib\na,2,1,2026-01-01,1.000\n": `line 2: gib: "1.000" can mean two numbers`,
	} {
		if _, err := ReadPrices(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestInvalidPriceFiles(t *testing.T) {
	const header = "type,vcpu,usd_hour,as_of\n"
	for text, want := range map[string]string{
		"":                                "is empty",
		header:                            "has a header but no prices",
		"type,vcpu,usd_hour\n":            `column "as_of" is missing`,
		"type,type\n":                     `duplicate column "type"`,
		"type,colour\n":                   `unknown column "colour"`,
		header + "a,2,0.1\n":              "wrong number of fields",
		header + "a,2,0.1,yesterday\n":    `line 2: as_of "yesterday"`,
		header + "a,two,0.1,2026-01-01\n": `line 2: vcpu "two"`,
		header + "a,0,0.1,2026-01-01\n":   `line 2: vcpu "0"`,
		header + "a,2,NaN,2026-01-01\n":   `line 2: usd_hour "NaN"`,
		header + "a,2,-1,2026-01-01\n":    `line 2: usd_hour "-1"`,
		header + ",2,1,2026-01-01\n":      "line 2: type is empty",
		header + "a,2,1,2026-01-01\na,2,1,2026-01-01\n": `line 3: duplicate type "a": its price is on line 2`,
		header + "\"a,2,1,2026-01-01\n":                 "quote",
		"gib," + header + "x,a,2,1,2026-01-01\n":        `gib "x"`,
	} {
		_, err := ReadPrices(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadPrices(f *testing.F) {
	f.Add(string(shippedPrices))
	f.Add("type,vcpu,usd_hour,as_of\na,2,0.1,2026-01-01\n")
	f.Fuzz(func(t *testing.T, text string) {
		prices, err := ReadPrices(strings.NewReader(text))
		if err != nil {
			return
		}
		checkDocuments(t, mustDecide(t, Inputs{CurrentRPS: 100, PeakRPS: 400, NodeRPS: 50, Stateless: true, Prices: prices}))
	})
}
