package config

import (
	"net"
	"net/textproto"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// checkProbeHost accepts a value of the Host field: a name or an IP address, with or without a port.
func checkProbeHost(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), "1"
	}
	if strings.Contains(s, "://") || checkHost(host, s) != nil || checkPort(port, 1, s) != nil {
		return wrong("a name such as shop.example, or with its port: shop.example:8080", "%s is not a host", quote(s))
	}
	return nil
}

// probeHeaders are fields of each probe. Their values may be secrets, such as tokens.
type probeHeaders struct{ p *map[string]string }

// fieldsOfProbe are set by the probe itself, or change how its request is read.
var fieldsOfProbe = []string{
	"Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func (h probeHeaders) read(r *reader, n strictyaml.Value) {
	m := map[string]string{}
	for _, k := range headerMapping(r, n) {
		name := textproto.CanonicalMIMEHeaderKey(k.Key)
		_, twice := m[name]
		switch {
		case !httpToken.MatchString(k.Key):
			r.ProblemAt(k.Value.Path, k.At, wrong("a name such as X-Probe", "is not a header name"))
			continue
		case name == "Host":
			r.ProblemAt(k.Value.Path, k.At, wrong("probe: {host: shop.example}", "use host for this"))
			continue
		case slices.Contains(fieldsOfProbe, name):
			r.ProblemAt(k.Value.Path, k.At, wrong("remove it", "is set by the probe itself"))
			continue
		case twice && !k.Duplicate:
			r.ProblemAt(k.Value.Path, k.At, wrong("", "is the same header as another one here"))
			continue
		}
		var text string
		secret{&text}.read(r, k.Value)
		if !isHeaderValue(text) {
			r.Problem(k.Value, wrong("", "has a character that the value of a header cannot have"))
		}
		m[name] = text
	}
	if len(m) > 0 {
		*h.p = m
	}
}

func (h probeHeaders) show() any {
	return showMap(*h.p, func(v string) any { return secret{&v}.show() })
}
