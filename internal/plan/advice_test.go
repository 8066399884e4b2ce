package plan

import (
	"bytes"
	"strings"
	"testing"
)

func TestAdvice(t *testing.T) {
	terms := Terms{Inputs: map[Field]string{FieldPeakRPS: "--peak-rps", FieldNodeRPS: "--node-rps"}}
	for _, c := range []struct {
		in   Inputs
		want string
	}{
		{Inputs{PeakRPS: 100_000, NodeRPS: 1800, Efficiency: share(0.85), Margin: share(0.5), HA: true},
			"Run 100 nodes: each carries 1,530 rps, so 99 carry the peak of 100,000 rps with a margin of 50%, and 1 is a spare."},
		{Inputs{PeakRPS: 100, NodeRPS: 200, Margin: share(0)},
			"Run 1 node: it carries 200 rps, and the peak is 100 rps with a margin of 0%."},
		{Inputs{PeakRPS: 100, NodeRPS: 200, Margin: share(0), HA: true},
			"Run 2 nodes: each carries 200 rps, so 1 carries the peak of 100 rps with a margin of 0%, and 1 is a spare."},
		{Inputs{PeakRPS: 1000, NodeRPS: 200, Margin: share(0)},
			"Run 5 nodes: each carries 200 rps, so together they carry the peak of 1,000 rps with a margin of 0%."},
		{Inputs{PeakRPS: 1000, Margin: share(0), Measured: mustRead(t, `{"knee": {"rate": 400}, "target_nodes": 2}`)},
			"Run at most 5 nodes: each carries 200 rps, so together they carry the peak of 1,000 rps with a margin of 0%."},
		{Inputs{PeakRPS: 12_500, Margin: share(0), Scaling: cisco},
			"Do not add nodes, first remove what they share: no number of nodes reaches 12,500 rps, and the most is"},
		{Inputs{CurrentRPS: 500, PeakRPS: 50_000},
			"Refactor first, then scale out: the service is not known to be stateless, and no machine of the catalogue carries 50,000 rps."},
		{Inputs{CurrentRPS: 500, PeakRPS: 50_000, NodeRPS: 500, Margin: share(0)},
			"Refactor first, then scale out to 100 nodes: the service"},
		{Inputs{CurrentRPS: 500, PeakRPS: 50_000, Stateless: true},
			"Scale out: no machine of the catalogue carries 50,000 rps, and any node can answer any request."},
		{Inputs{CurrentRPS: 500, PeakRPS: 600, Stateless: true, HA: true},
			"Scale out: one machine is not redundant, and any node can answer any request."},
		{Inputs{CurrentRPS: 500, PeakRPS: 2000, Instance: "t3.medium"},
			"Scale up to one c7i.4xlarge (16 vCPU, 32 GiB): it carries 2,000 rps, and state may stay where it is."},
		{Inputs{CurrentRPS: 50, PeakRPS: 100, NodeRPS: 1000}, "Keep the present machine: one t3.medium carries 100 rps."},
		{Inputs{ReadRatio: share(0.9), DataSize: 5e12, WriteRate: 10_000},
			"Keep one primary and add 3 read replicas: the data and the writes fit on one server."},
		{Inputs{ReadRatio: share(0.6), DataSize: 50e12, WriteRate: 100_000, Domains: make(Domains, 5), ClearBoundaries: true},
			"Split the database into 5 databases by domain, with 3 read replicas each: one server is not enough."},
		{Inputs{PeakRPS: 1000, NodeRPS: 200, Margin: share(0), Pool: 10, MaxConnections: 50},
			"with a margin of 0%; for the database, make the pools smaller, up to 7 connections per node: 6 nodes open more than the server accepts."},
		{Inputs{Scaling: cisco}, "Set the peak to carry (--peak-rps) to get a number of nodes: the curve peaks at"},
		{Inputs{Users: 10_000, Growth: share(0.1), Months: 6},
			"Prepare for a peak of 61.51 rps, and measure what one node carries (--node-rps) to get a number of nodes."},
		{Inputs{Availability: 0.9999}, "Expect up to 52.56 min of downtime a year: 99.99% needs recovery without people:"},
		{Inputs{Availability: 0.9999, Depends: Dependencies{{"db", 0.999}}},
			"Change what the service depends on or its nodes: it would be down for 8.76 h a year, and 99.99% is the target."},
	} {
		p := mustDecide(t, c.in)
		got := p.Advice().Text(terms)
		if !strings.Contains(got, c.want) || strings.HasSuffix(c.want, ".") && !strings.HasSuffix(got, c.want) {
			t.Errorf("%+v:\n%s\nwant\n%s", c.in, got, c.want)
		}
		if strings.Count(got, ". ") > 0 || !strings.HasSuffix(got, ".") {
			t.Errorf("not one sentence: %s", got)
		}
	}
}

// Every form of the plan begins with the advice.
func TestPlanBeginsWithItsAdvice(t *testing.T) {
	p := mustDecide(t, everything)
	advice := p.Advice().Text(Terms{})
	var text, page bytes.Buffer
	if err := p.WriteText(&text, Terms{}); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteHTML(&page, Terms{}); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(text.String(), "\n\n")
	if strings.Join(strings.Fields(first), " ") != advice {
		t.Errorf("the text begins with %q, want %q", first, advice)
	}
	if !strings.Contains(page.String(), `<h1>Plan</h1>`+"\n"+`<p class="advice">`) || decode(t, p)["advice"] != advice {
		t.Errorf("advice of the page or of the document: %v", decode(t, p)["advice"])
	}
}
