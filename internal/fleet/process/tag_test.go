package process

import "testing"

func TestTagFindsAFleetAndANode(t *testing.T) {
	const fleet, other = "AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"
	inner := addTag(nodeTag(other, "web-1"), nodeTag(fleet, "shop-1")) // a tenfold that is a node of another one
	for _, c := range []struct {
		environ string
		tag     string
		want    bool
	}{
		{"A=b\x00TENFOLD_FLEET=" + inner + "\x00", fleet, true},
		{"A=b\x00TENFOLD_FLEET=" + inner + "\x00", other, true},
		{"TENFOLD_FLEET=" + inner, nodeTag(fleet, "shop-1"), true},
		{"TENFOLD_FLEET=" + inner, nodeTag(other, "web-1"), true},
		{"TENFOLD_FLEET=" + inner, nodeTag(other, "shop-1"), false},
		{"TENFOLD_FLEET=" + nodeTag(fleet, "shop-10"), nodeTag(fleet, "shop-1"), false},
		{"TENFOLD_FLEET=" + nodeTag(fleet, "shop-1"), fleet[1:], false},
		{"XTENFOLD_FLEET=" + inner, fleet, false},
		{"A=TENFOLD_FLEET=" + inner, fleet, false},
		{"", fleet, false},
		{"\x00\x00\xff=", fleet, false},
	} {
		if got := hasTag([]byte(c.environ), c.tag); got != c.want {
			t.Errorf("hasTag(%q, %q) = %v", c.environ, c.tag, got)
		}
	}
	if got := addTag("", "x/y"); got != "x/y" {
		t.Errorf("first tag is %q", got)
	}
}
