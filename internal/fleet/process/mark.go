package process

import (
	"bytes"
	"strings"
)

// markVariable names the fleet and node that a process belongs to: "FLEET/NODE", and behind a comma the same again for
// a tenfold that runs as a node of another one. Children inherit it, so it finds what left its group and its session.
const markVariable = "TENFOLD_FLEET"

func nodeMark(fleet, id string) string { return fleet + "/" + id }

func addMark(inherited, mark string) string {
	if inherited == "" {
		return mark
	}
	return inherited + "," + mark
}

// marked says whether a process with this environment (KEY=VALUE, each ended by a zero) carries a mark: a whole fleet's
// or one node's.
func marked(environ []byte, mark string) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		value, ok := bytes.CutPrefix(entry, []byte(markVariable+"="))
		if !ok {
			continue
		}
		for m := range strings.SplitSeq(string(value), ",") {
			if m == mark || strings.HasPrefix(m, mark+"/") {
				return true
			}
		}
	}
	return false
}
