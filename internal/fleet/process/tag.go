package process

import (
	"bytes"
	"strings"
)

// tagVariable names the fleet and the node that a process belongs to: "FLEET/NODE". A tenfold that runs as a node of
// another tenfold adds its own tag after a comma. Children inherit the variable, so it finds processes that have left
// their group and their session.
const tagVariable = "TENFOLD_FLEET"

func nodeTag(fleet, id string) string { return fleet + "/" + id }

func addTag(inherited, tag string) string {
	if inherited == "" {
		return tag
	}
	return inherited + "," + tag
}

// hasTag reports whether a process with this environment has a tag: that of a whole fleet, or that of one node. The
// environment is a list of KEY=VALUE, each ended by a zero.
func hasTag(environ []byte, tag string) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		value, ok := bytes.CutPrefix(entry, []byte(tagVariable+"="))
		if !ok {
			continue
		}
		for t := range strings.SplitSeq(string(value), ",") {
			if t == tag || strings.HasPrefix(t, tag+"/") {
				return true
			}
		}
	}
	return false
}
