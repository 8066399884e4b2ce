package config

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

var rateLimitPolicy = routePolicy{
	key: "rate_limit",
	value: func(r *Route) value {
		return optional[RateLimit]{p: &r.RateLimit, fresh: newRateLimit, fields: (*RateLimit).fields, short: (*RateLimit).short}
	},
	fields: func() []field { return newRateLimit().fields() },
	defaults: func(r *Route) {
		if l := r.RateLimit; l != nil && l.Burst == 0 {
			l.Burst = l.Rate.Requests
		}
	},
	caller: func(r *Route) (Caller, bool) {
		if r.RateLimit == nil {
			return Caller{}, false
		}
		return r.RateLimit.Caller, true
	},
	check: func(v *validation, path string, r *Route, _ *Config) {
		if l := r.RateLimit; l != nil && l.Rate.Requests == 0 {
			v.problem(path+".rate_limit", "rate: 100/s", "has no rate")
		}
	},
	note: func(n *notes, path string, r *Route, c *Config) {
		if r.RateLimit != nil && r.RateLimit.Scope == ScopeFleet && c.Store == "none" {
			n.add(path+".rate_limit", "scope: gateway has the same effect and no note", "each gateway counts alone: without a store, gateways share nothing")
		}
	},
	describe: func(r *Route) (short, long string) {
		l := r.RateLimit
		if l == nil {
			return "", ""
		}
		return l.Rate.String(), fmt.Sprintf("at most %s by %s", l.Rate, l.Caller)
	},
}

func newRateLimit() *RateLimit {
	return &RateLimit{Caller: Caller{By: CallerByIP}, Scope: ScopeFleet}
}

func (l *RateLimit) fields() []field {
	return []field{
		{"rate", scalar[Rate]{&l.Rate, parseRate, Rate.String}},
		{"burst", whole(&l.Burst, 1, 10_000_000)},
		{"caller", scalar[Caller]{&l.Caller, parseCaller, Caller.String}},
		{"scope", choice(&l.Scope, "fleet: all gateways together; gateway: each alone", "a scope", ScopeFleet, ScopeGateway)},
	}
}

func (l *RateLimit) short(text string) (err error) {
	l.Rate, err = parseRate(text)
	return err
}

var (
	rateForm = regexp.MustCompile(`^([0-9]+)/(s|m|h)$`)
	perUnit  = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
)

func parseRate(s string) (Rate, error) {
	m := rateForm.FindStringSubmatch(s)
	if err := usertext.CheckNumber(s); err != nil {
		return Rate{}, err
	}
	if m == nil {
		return Rate{}, wrong("requests per second, minute or hour: 100/s, 600/m, 1000/h", "%s is not a rate", quote(s))
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 || n > 1_000_000 {
		return Rate{}, wrong("", "%s is out of range: from 1 to 1000000", quote(s))
	}
	return Rate{n, perUnit[m[2]]}, nil
}

// String is the form of the file: "100/s".
func (r Rate) String() string {
	for _, unit := range []string{"s", "m", "h"} {
		if r.Per == perUnit[unit] {
			return strconv.Itoa(r.Requests) + "/" + unit
		}
	}
	return "0/s"
}
