package process

import "testing"

func TestMarkFindsAFleetAndANode(t *testing.T) {
	const fleet, other = "AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"
	inner := addMark(nodeMark(other, "web-1"), nodeMark(fleet, "shop-1")) // a tenfold that is a node of another one
	for _, c := range []struct {
		environ string
		mark    string
		want    bool
	}{
		{"A=b\x00TENFOLD_FLEET=" + inner + "\x00", fleet, true},
		{"A=b\x00TENFOLD_FLEET=" + inner + "\x00", other, true},
		{"TENFOLD_FLEET=" + inner, nodeMark(fleet, "shop-1"), true},
		{"TENFOLD_FLEET=" + inner, nodeMark(other, "web-1"), true},
		{"TENFOLD_FLEET=" + inner, nodeMark(other, "shop-1"), false},
		{"TENFOLD_FLEET=" + nodeMark(fleet, "shop-10"), nodeMark(fleet, "shop-1"), false},
		{"TENFOLD_FLEET=" + nodeMark(fleet, "shop-1"), fleet[1:], false},
		{"XTENFOLD_FLEET=" + inner, fleet, false},
		{"A=TENFOLD_FLEET=" + inner, fleet, false},
		{"", fleet, false},
		{"\x00\x00\xff=", fleet, false},
	} {
		if got := marked([]byte(c.environ), c.mark); got != c.want {
			t.Errorf("marked(%q, %q) = %v", c.environ, c.mark, got)
		}
	}
	if got := addMark("", "x/y"); got != "x/y" {
		t.Errorf("first mark is %q", got)
	}
}
