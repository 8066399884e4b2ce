package config

import (
	"net/netip"
	"strings"
	"time"
)

// Maintenance answers the requests of a route with 503 instead of passing them on.
type Maintenance struct {
	Text       string         // of the response; default "The service is being maintained. Please try again later."
	Page       string         // a file for browsers, as in ErrorPages; default: a plain page with Text
	RetryAfter time.Duration  // when clients should try again; default 1m
	Allow      []netip.Prefix // networks whose requests reach the service; default none
	// Pause holds requests for at most this time. They reach the service when a reload ends the maintenance. Default 0:
	// for no time.
	Pause         time.Duration
	PauseRequests int // how many requests of the route may be held at a time; more get the 503 at once; default 1000
}

var maintenancePolicy = routePolicy{
	key: "maintenance",
	value: func(r *Route) value {
		return omitted{optional[Maintenance]{p: &r.Maintenance, fresh: newMaintenance, fields: (*Maintenance).fields, short: (*Maintenance).short},
			func() bool { return r.Maintenance == nil }}
	},
	fields: func() []field { return newMaintenance().fields() },
	check:  func(*validation, string, *Route, *Config) {},
	note: func(n *notes, path string, r *Route, _ *Config) {
		if r.Maintenance != nil {
			n.add(path+".maintenance", "remove it and reload, and the service gets requests again", "the route answers 503")
		}
	},
	describe: func(r *Route) (short, long string) {
		switch {
		case r.Maintenance == nil:
			return "", ""
		case r.Maintenance.Pause > 0:
			return "pause", "under maintenance, requests wait up to " + printDuration(r.Maintenance.Pause)
		}
		return "on", "under maintenance"
	},
}

func newMaintenance() *Maintenance {
	return &Maintenance{Text: "The service is being maintained. Please try again later.", RetryAfter: time.Minute, PauseRequests: 1000}
}

func (m *Maintenance) fields() []field {
	return []field{
		{"text", text(&m.Text, checkMaintenanceText)},
		{"page", optionalFile{&m.Page}},
		{"retry_after", duration(&m.RetryAfter, time.Second)},
		{"allow", networks(&m.Allow)},
		{"pause", duration(&m.Pause, 0)},
		{"pause_requests", whole(&m.PauseRequests, 1, 1_000_000)},
	}
}

// defaultPause is the longest time of maintenance: pause.
const defaultPause = 30 * time.Second

func (m *Maintenance) short(text string) error {
	switch text {
	case "on", "true":
		return nil
	case "pause":
		m.Pause = defaultPause
		return nil
	}
	return wrong("on, off, pause, or a mapping: {text: Back at noon.}", "%s is not a value of maintenance", quote(text))
}

func checkMaintenanceText(s string) error {
	if s == "" || len(s) > 1000 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return wrong("one sentence; for more, page: maintenance.html", "%s is not a text of one line", quote(s))
	}
	return nil
}
