package load

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/journey"
	"github.com/tenfold-go/tenfold/internal/load/arrivals"
)

// cafe is a service that keeps state by cookie: a guest gets what the same guest ordered.
func cafe() http.Handler {
	var guests atomic.Int64
	var mu sync.Mutex
	ordered := map[string]string{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "guest", Value: fmt.Sprint(guests.Add(1)), Path: "/"})
		io.WriteString(w, `{"menu": ["tea", "coffee"]}`)
	})
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		guest, err := r.Cookie("guest")
		what, _ := io.ReadAll(r.Body)
		if err != nil || len(what) == 0 {
			http.Error(w, "want a guest and an order", http.StatusBadRequest)
			return
		}
		mu.Lock()
		ordered[guest.Value] = string(what)
		mu.Unlock()
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /table", func(w http.ResponseWriter, r *http.Request) {
		guest, _ := r.Cookie("guest")
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(w, ordered[guest.Value])
	})
	return mux
}

func parseJourney(t *testing.T, text string) *journey.Journey {
	t.Helper()
	j, err := journey.Parse("j.yaml", []byte(text), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return j
}

const guest = `
steps:
  - {path: /, extract: {drink: {json: '$.menu[1]'}}, think: 1ms..5ms}
  - {path: /order, body: "${drink} ${visit.id}", expect: {status: 201}}
  - {path: /table, expect: {contains: coffee}}
`

// Each visit keeps its own cookie and values, over HTTP/1.1 and over TLS with HTTP/2.
func TestVisitsKeepTheirCookies(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"http": (*httptest.Server).Start,
		"h2":   func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(cafe())
			start(server)
			defer server.Close()
			o := &Options{Duration: time.Second, Warmup: noWarmup(), Seed: 1, TLS: &tls.Config{InsecureSkipVerify: true}}
			j := parseJourney(t, guest)
			if err := CheckJourney(t.Context(), j, server.URL, o); err != nil {
				t.Fatal(err)
			}
			g, err := NewJourney(j, server.URL, o)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			s, err := g.Rate(t.Context(), 30)
			if err != nil {
				t.Fatal(err)
			}
			if s.Errors != 0 || s.Requests < 20 || s.Requests > 90 || g.unit != curve.Visits {
				t.Errorf("%d requests, errors %v (%v), unit %s", s.Requests, s.Errors, s.ErrorKinds, g.unit)
			}
		})
	}
}

// A failed step ends its visit. Errors are counted by step and reason.
func TestFailedVisits(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b" {
			t.Error("a visit continued after a failed step")
		}
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	g, err := NewJourney(parseJourney(t, "steps: [{name: a, path: /a}, {path: /b}]"), server.URL,
		&Options{Duration: time.Second, Warmup: noWarmup()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Rate(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	status, closed := s.ErrorKinds["a: status 503"], s.ErrorKinds["connection closed"]
	aborted := closed + s.Repeated // an abort on a kept connection cannot be told from the close of an idle one
	if s.Errors != 1 || s.Requests+s.Missed != 40 || status+closed != s.Requests ||
		status-aborted > 1 || aborted-status > 1 {
		t.Errorf("%d requests, errors %v: %v, %d repeated", s.Requests, s.Errors, s.ErrorKinds, s.Repeated)
	}
}

// Think time makes visits long although the target is fast. Such visits must not count as a target that does not keep
// up, even if most visitors do not pause at all.
func TestThinkTimeIsNotBehind(t *testing.T) {
	const text = "visitors: [{weight: 3, steps: [{path: /}]}, {steps: [{path: /, think: 4s}, {path: /}]}]"
	j, err := journey.Parse("j.yaml", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if pause := j.MeanPause(); pause != time.Second {
		t.Errorf("mean pause %v", pause)
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(int, time.Duration) (time.Duration, int) { return 5 * time.Millisecond, 200 })
		o := &Options{Duration: 5 * time.Second, Warmup: noWarmup(), Dial: f.dial, newTimer: sleepTimer}
		g, err := NewJourney(j, "http://fake.test/", o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.Rate(t.Context(), 20)
		if err != nil {
			t.Fatal(err)
		}
		f.conns.Wait()
		if s.Errors > 0 || strings.Contains(s.InvalidReason, "achieved") {
			t.Errorf("%v errors: %s", s.Errors, s.InvalidReason)
		}
	})
}

// Each step of a journey has its own results, which show the slow and the failing step.
func TestJourneyResultsByStep(t *testing.T) {
	const text = "visitors: [{name: buyer, steps: [{name: look, path: /}, {name: pay, path: /}, {name: thank, path: /}]}, " +
		"{name: looker, steps: [{path: /}]}]"
	j, err := journey.Parse("j.yaml",
		[]byte("steps: [{name: look, path: /}, {name: pay, path: /}, {name: thank, path: /}]"), "")
	if err != nil {
		t.Fatal(err)
	}
	two, err := journey.Parse("j.yaml", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"buyer: look", "buyer: pay", "buyer: thank", "looker: GET /"}
	if names, numbers := numberSteps(two); !slices.Equal(names, want) || len(numbers) != 4 {
		t.Errorf("%q, %d numbers", names, len(numbers))
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(n int, _ time.Duration) (time.Duration, int) {
			switch n {
			case 7: // the third payment fails, so that its visit has no step thank
				return 100 * time.Millisecond, 500
			case 1, 4, 9:
				return 100 * time.Millisecond, 200
			}
			return 10 * time.Millisecond, 200
		})
		o := &Options{Duration: 4 * time.Second, Warmup: noWarmup(), Arrivals: arrivals.Even, Dial: f.dial,
			newTimer: sleepTimer}
		g, err := NewJourney(j, "http://fake.test/", o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.Rate(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		f.conns.Wait()
		if len(s.Journey) != 3 {
			t.Fatalf("%+v", s.Journey)
		}
		look, pay, thank := s.Journey[0], s.Journey[1], s.Journey[2]
		if look.Requests != 4 || pay.Requests != 4 || thank.Requests != 3 || pay.Errors != 0.25 || thank.Errors != 0 {
			t.Errorf("%+v", s.Journey)
		}
		if pay.Name != "pay" || pay.P50 < 99 || pay.P50 > 102 || look.P99 > 11 {
			t.Errorf("%+v", s.Journey)
		}
	})
}
