package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// upgrades is a list of protocols, one protocol, or "off".
type upgrades struct{ p *[]string }

func (u upgrades) read(r *reader, n strictyaml.Value) {
	if text, single := n.Scalar(); single && text == "off" {
		*u.p = nil
		return
	}
	var all []string
	list[string]{p: &all, parse: parseProtocol, print: word, most: 32}.read(r, n)
	if !r.Broken(n.Path) {
		slices.Sort(all)
		*u.p = slices.Compact(all)
	}
}

func (u upgrades) show() any {
	if len(*u.p) == 0 {
		return "off"
	}
	return *u.p
}

// protocol is a name of a protocol with or without its version (RFC 9110 section 7.8).
var protocol = regexp.MustCompile("^[a-z0-9!#$%&'*+.^_`|~-]{1,64}(/[a-z0-9!#$%&'*+.^_`|~-]{1,64})?$")

// parseProtocol reads the name of a protocol. It refuses HTTP and TLS: the requests in such a connection would pass every
// policy of the gateway.
func parseProtocol(s string) (string, error) {
	name := strings.ToLower(s)
	kind, _, _ := strings.Cut(name, "/")
	switch {
	case !protocol.MatchString(name) || slices.Contains([]string{"true", "false", "on", "off", "all"}, name):
		return "", wrong("[websocket, my-protocol], or off", "%s is not a name for a protocol", quote(s))
	case slices.Contains([]string{"h2", "h2c", "h3", "http", "https", "tls"}, kind):
		return "", wrong("remove it: services get HTTP without an upgrade",
			"%s: requests after this upgrade would pass every policy", quote(s))
	}
	return name, nil
}
