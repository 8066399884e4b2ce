package config

import (
	"strconv"
	"time"
)

var idempotencyPolicy = routePolicy{
	key: "idempotency",
	value: func(r *Route) value {
		return optional[Idempotency]{p: &r.Idempotency, fresh: newIdempotency, fields: (*Idempotency).fields, short: (*Idempotency).short}
	},
	fields: func() []field { return newIdempotency().fields() },
	caller: func(r *Route) (Caller, bool) {
		if r.Idempotency == nil {
			return Caller{}, false
		}
		return r.Idempotency.Caller, true
	},
	check: func(v *validation, path string, r *Route, c *Config) {
		i := r.Idempotency
		if i == nil {
			return
		}
		if i.Mode == "" {
			v.problem(path+".idempotency", "mode: required or optional", "has no mode")
		}
		if c.Store == "none" {
			v.problem(path+".idempotency", "store: auto, or redis://host:6379", "needs the store for keys and responses, but the file has store: none")
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.Idempotency == nil {
			return "", ""
		}
		return string(r.Idempotency.Mode), "idempotency " + string(r.Idempotency.Mode)
	},
}

func newIdempotency() *Idempotency {
	return &Idempotency{Caller: Caller{By: CallerByAuthorization}, TTL: 24 * time.Hour, BodyBytes: 1 << 20, AnswerBytes: 1 << 20}
}

func (i *Idempotency) fields() []field {
	return []field{
		{"mode", scalar[Mode]{&i.Mode, parseMode, func(m Mode) string { return string(m) }}},
		{"caller", scalar[Caller]{&i.Caller, parseCaller, Caller.String}},
		{"ttl", duration(&i.TTL, time.Second)},
		{"body_bytes", size(&i.BodyBytes, 0, 64<<20)},
		{"answer_bytes", size(&i.AnswerBytes, 1<<10, 64<<20)},
		{"retry_on", list[int]{p: &i.RetryOn, parse: parseRetryStatus, print: strconv.Itoa, most: 100}},
	}
}

func (i *Idempotency) short(text string) (err error) {
	i.Mode, err = parseMode(text)
	return err
}

// parseRetryStatus accepts the error statuses that a service may send. 503 always leaves the key free.
func parseRetryStatus(s string) (int, error) {
	status, err := parseWhole(s, 500, 599)
	if err == nil && status == 503 {
		return 0, wrong("remove it: 503 is never recorded", "503 is always retried")
	}
	return status, err
}

func parseMode(s string) (Mode, error) {
	return parseChoice(s, "required, optional or off", "a mode", []Mode{KeyRequired, KeyOptional})
}
