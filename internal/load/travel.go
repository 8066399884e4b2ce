package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/journey"
)

// NewJourney makes a generator whose visits are those of j to the service at base. Rates count visits that begin;
// latencies and errors are those of the requests that they make.
func NewJourney(j *journey.Journey, base string, o *Options) (*Generator, error) {
	u, err := ParseURL(base)
	if err != nil {
		return nil, err
	}
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Generator{options: o, url: u, unit: "visits/s", close: func() {}, pauses: j.MeanPause()}
	var client *http.Transport
	if u.Scheme == "https" {
		client = newTransport(o)
		g.close = client.CloseIdleConnections
	}
	names, numbers := parts(j)
	g.parts = names
	var visits atomic.Int64
	g.call = func(r *run, number int) caller {
		t := &traveller{
			journey: j, base: u, visits: &visits, parts: numbers,
			random: rand.New(rand.NewPCG(o.Seed^g.steps, uint64(number))),
		}
		if client != nil {
			t.send = client.RoundTrip
		} else {
			t.send = func(req *http.Request) (*http.Response, error) {
				if err := t.link.ready(r, r.now()); err != nil {
					return nil, err
				}
				return t.link.conn.RoundTrip(req)
			}
		}
		return t
	}
	return g, nil
}

// traveller is the caller that goes on journeys.
type traveller struct {
	journey *journey.Journey
	base    *url.URL
	visits  *atomic.Int64 // begun by all users
	parts   map[*journey.Step]int
	random  *rand.Rand
	send    func(*http.Request) (*http.Response, error)
	link    link // unused over TLS
}

func (t *traveller) close() { t.link.close() }

// visit makes one visit. A step that fails ends it: a visitor does not pay for a cart that could not be filled.
func (t *traveller) visit(u *user, intended, free time.Duration) (done time.Duration, cut bool) {
	v := t.journey.Visit(t.base, t.visits.Add(1)-1, t.random)
	for i, s := range v.Steps {
		sent := u.run.now()
		a := t.step(u.run, v, s)
		a.part = t.parts[s]
		done = u.run.now()
		u.tally.request(intended, free, sent, done, a)
		switch {
		case a.cut:
			return done, true
		case a.none && u.run.line == nil:
			u.run.pause(refusedPause)
			return u.run.now(), false
		case a.fault != "" || i == len(v.Steps)-1:
			return done, false
		}
		if !u.run.pause(s.Think.Pause(t.random)) {
			return u.run.now(), true
		}
		intended = u.run.now() // a visitor who thinks a little longer than drawn is not late
		free = intended
	}
	return done, false
}

func (t *traveller) rehearse(u *user) {
	for _, kind := range t.journey.Visitors {
		v := t.journey.Rehearse(kind, t.base)
		for _, s := range v.Steps {
			sent := u.run.now()
			a := t.step(u.run, v, s)
			u.tally.request(sent, sent, sent, u.run.now(), a)
			if a.fault != "" || a.cut {
				return
			}
		}
	}
}

func (t *traveller) step(r *run, v *journey.Visit, s *journey.Step) answer {
	ctx, cancel := context.WithTimeout(r.cut, r.options.Timeout)
	defer cancel()
	n, err := exchange(ctx, v, s, t.send)
	var own *journey.Error
	switch {
	case err == nil:
		return answer{bytes: n}
	case errors.As(err, &own):
		return answer{fault: own.Kind(), bytes: n}
	}
	return failed(r, err)
}

// maxRead is how much of an answer a journey looks at.
const maxRead = 4 << 20

// exchange sends a step, reads the answer to its end and lets the visit judge it.
func exchange(ctx context.Context, v *journey.Visit, s *journey.Step, send func(*http.Request) (*http.Response, error)) (int64, error) {
	sent, err := v.Request(s)
	if err != nil {
		return 0, err
	}
	resp, err := send(newRequest(ctx, sent))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	var n int64
	if s.ReadsBody(resp.StatusCode) {
		if n, err = io.CopyN(&body, resp.Body, maxRead); err == io.EOF {
			err = nil
		}
	}
	if err == nil {
		var rest int64
		rest, err = io.Copy(io.Discard, resp.Body)
		n += rest
	}
	if err != nil {
		return n, err
	}
	return n, v.Answer(s, sent, &journey.Response{Status: resp.StatusCode, Header: resp.Header, Body: body.Bytes()})
}

func newRequest(ctx context.Context, r *journey.Request) *http.Request {
	req := (&http.Request{
		Method: r.Method, URL: r.URL, Host: r.Header.Get("Host"), Header: r.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	delete(r.Header, "Host")
	if r.HasBody {
		req.ContentLength = int64(len(r.Body))
		req.Body = http.NoBody
		if r.Body != "" {
			req.Body = io.NopCloser(strings.NewReader(r.Body))
		}
	}
	return req
}

// Rehearse makes each kind of visit of j once, without its pauses, so that a step that cannot work is found before the
// load begins. The target sees these visits. An error is a *journey.Error or an *UnreachableError.
func Rehearse(ctx context.Context, j *journey.Journey, base string, o *Options) error {
	u, err := ParseURL(base)
	if err != nil {
		return err
	}
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	transport := newTransport(o)
	if u.Scheme == "http" {
		transport.DialContext = o.Dial
	}
	defer transport.CloseIdleConnections()
	for _, kind := range j.Visitors {
		v := j.Rehearse(kind, u)
		for _, s := range v.Steps {
			if err := rehearse(ctx, v, s, transport, o.Timeout); err != nil {
				var own *journey.Error
				if errors.As(err, &own) {
					return fmt.Errorf("rehearse %s: %w", kind.Name, err)
				}
				return &UnreachableError{u.Redacted(), err}
			}
		}
	}
	return nil
}

func rehearse(ctx context.Context, v *journey.Visit, s *journey.Step, transport *http.Transport, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := exchange(ctx, v, s, transport.RoundTrip)
	return err
}
