package config

import (
	"net/netip"
	"strings"
)

var allowPolicy = networkPolicy("allow", func(r *Route) *[]netip.Prefix { return &r.Allow })

var denyPolicy = networkPolicy("deny", func(r *Route) *[]netip.Prefix { return &r.Deny })

// networkPolicy is a list of networks of clients. Listing every address is probably a mistake.
func networkPolicy(key string, of func(*Route) *[]netip.Prefix) routePolicy {
	return routePolicy{
		key:   key,
		value: func(r *Route) value { return networks(of(r)) },
		check: func(*validation, string, *Route, *Config) {},
		note: func(n *notes, path string, r *Route, _ *Config) {
			for _, p := range *of(r) {
				if p.Bits() == 0 {
					n.add(path+"."+key, "name the networks that are meant", "%s has every address in it", p)
				}
			}
		},
		describe: func(r *Route) (short, long string) {
			if len(*of(r)) == 0 {
				return "", ""
			}
			all := make([]string, 0, len(*of(r)))
			for _, p := range *of(r) {
				all = append(all, p.String())
			}
			short = strings.Join(all, " ")
			return short, key + " " + short
		},
	}
}

// networks is a list of networks that is omitted when it is empty.
func networks(p *[]netip.Prefix) value {
	return list[netip.Prefix]{p: p, parse: parsePrefix, print: netip.Prefix.String, most: 10_000, omit: true}
}
