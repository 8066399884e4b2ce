package load

import (
	"context"
	"crypto/tls"
	"errors"
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

	"github.com/tenfold-go/tenfold/internal/journey"
)

// cafe is a service with state by cookie: it serves what was ordered, to who ordered it.
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
			http.Error(w, "who, what?", http.StatusBadRequest)
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

// Each visit keeps its own cookie and values, over HTTP/1.1 in the clear and over TLS with HTTP/2.
func TestJourneysOverTheWire(t *testing.T) {
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
			if err := Rehearse(t.Context(), j, server.URL, o); err != nil {
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
			if s.Errors != 0 || s.Requests < 20 || s.Requests > 90 || g.Unit() != "visits/s" {
				t.Errorf("%d requests, errors %v (%v), unit %s", s.Requests, s.Errors, s.Faults, g.Unit())
			}
		})
	}
}

func TestAStepThatCannotWorkIsFoundBeforeTheLoad(t *testing.T) {
	server := httptest.NewServer(cafe())
	defer server.Close()
	for text, want := range map[string]string{
		`steps: [{path: /, extract: {x: {json: $.prices}}}]`: "the answer has no $.prices",
		`steps: [{path: /nowhere}]`:                          "status 404, want below 400",
		`steps: [{path: /order, body: x}]`:                   "status 400",
	} {
		err := Rehearse(t.Context(), parseJourney(t, text), server.URL, nil)
		var own *journey.Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// Visits that fail are counted by step and reason, and end there.
func TestFailedVisits(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b" {
			t.Error("a visit went on after a step that failed")
		}
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	g, err := NewJourney(parseJourney(t, "steps: [{name: a, path: /a}, {path: /b}]"), server.URL, &Options{Duration: time.Second, Warmup: noWarmup()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Rate(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	status, closed := s.Faults["a: status 503"], s.Faults["connection closed"]
	if s.Errors != 1 || s.Requests+s.Missed != 40 || status+closed != s.Requests || status-closed > 1 || closed-status > 1 {
		t.Errorf("%d requests, errors %v: %v", s.Requests, s.Errors, s.Faults)
	}
}

func TestTargetsThatDoNotAnswer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	plain := server.URL
	for url, want := range map[string]string{
		strings.Replace(plain, "http:", "https:", 1): "http:// instead of https://?",
		tlsServer.URL:             "--insecure",
		"http://nowhere.invalid/": "is the name right?",
		"http://127.0.0.1:1/":     "is the service running",
	} {
		target, err := NewTarget(url, "", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = target.Check(t.Context(), nil)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || !strings.Contains(unreachable.Hint(), want) {
			t.Errorf("%s: %v, want the hint %s", url, err, want)
		}
	}
	server.Close()
}

func TestTargetsThatAreNone(t *testing.T) {
	for _, test := range []struct{ url, method, header, want string }{
		{"ftp://a/", "", "", "http:// or https://"},
		{"localhost:8080", "", "", "http:// or https://"},
		{"http:///x", "", "", "names no host"},
		{"http://u:p@a/", "", "", "a password in the URL"},
		{"http://a/", "GET /", "", "method"},
		{"http://a/", "CONNECT", "", "method"},
		{"http://a/", "", "Content-Length", "follows from the request"},
		{"http://a/", "", "a b", "not a name"},
	} {
		h := http.Header{}
		if test.header != "" {
			h[test.header] = []string{"1"}
		}
		if _, err := NewTarget(test.url, test.method, h, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if _, err := NewTarget("http://a/", "", http.Header{"X": {"a\r\nb"}}, nil); err == nil {
		t.Error("a header value with a line end was taken")
	}
}

// What is sent is what was asked for, on the fast way and on that of net/http.
func TestRequestsArriveAsGiven(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			var wrong atomic.Value
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "PUT" || r.RequestURI != "/a%20b?c=d" || r.Header.Get("X") != "y" || r.Host != "shop.test" || string(body) != "text" {
					wrong.Store(fmt.Sprint(r.Method, r.RequestURI, r.Header, r.Host, string(body)))
				}
			}))
			start(server)
			defer server.Close()
			target, err := NewTarget(server.URL+"/a%20b?c=d", "PUT", http.Header{"X": {"y"}, "Host": {"shop.test"}}, []byte("text"))
			if err != nil {
				t.Fatal(err)
			}
			g, err := New(target, &Options{Duration: 200 * time.Millisecond, Warmup: noWarmup(), TLS: &tls.Config{InsecureSkipVerify: true}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			s, err := g.Users(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			if w := wrong.Load(); w != nil || s.Requests == 0 || s.Errors != 0 || s.Offered != 0 || s.Users != 2 {
				t.Errorf("arrived: %v; %+v", w, s)
			}
		})
	}
}

// An interrupted step ends at once, although its requests would take longer, and says that it is incomplete.
func TestInterruptedStep(t *testing.T) {
	arrived := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	target, _ := NewTarget(server.URL, "", nil, nil)
	g, err := New(target, &Options{Duration: time.Hour, Timeout: time.Hour, Warmup: noWarmup()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	s, err := g.Rate(ctx, 100)
	if err != nil || !s.Incomplete || s.Valid || !strings.Contains(s.InvalidReason, "interrupted") {
		t.Errorf("%+v, %v", s, err)
	}
}

// A rehearsal shows the answer that it did not expect.
func TestRehearsalShowsTheAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no order was made") }))
	defer server.Close()
	j, err := journey.Parse("j.yaml", []byte("steps: [{path: /, expect: {status: 201}}]"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := Rehearse(t.Context(), j, server.URL, nil); err == nil || !strings.Contains(err.Error(), `status 200, want 201; the answer begins "no order was made"`) {
		t.Error(err)
	}
}

// A request in the clear to a port that speaks TLS is a common slip.
func TestCheckKnowsTLS(t *testing.T) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, io.EOF }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	target, err := NewTarget("http://"+l.Addr().String(), "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = target.Check(t.Context(), nil)
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || !strings.Contains(unreachable.Hint(), "https:// instead of http://?") {
		t.Errorf("%v, hint %q", err, unreachable.Hint())
	}
}

// Visitors who think are under way for long without anybody being slow, also where most visitors do not think at all.
func TestThinkingVisitorsAreNotBehind(t *testing.T) {
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
		o := &Options{Duration: 5 * time.Second, Warmup: noWarmup(), Dial: f.dial, alarm: func() (alarm, error) { return timerAlarm{}, nil }}
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

// Each step of a journey has figures of its own: which is slow, which fails.
func TestPartsOfAJourney(t *testing.T) {
	const text = "visitors: [{name: buyer, steps: [{name: look, path: /}, {name: pay, path: /}, {name: thank, path: /}]}, {name: looker, steps: [{path: /}]}]"
	j, err := journey.Parse("j.yaml", []byte("steps: [{name: look, path: /}, {name: pay, path: /}, {name: thank, path: /}]"), "")
	if err != nil {
		t.Fatal(err)
	}
	two, err := journey.Parse("j.yaml", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if names, numbers := parts(two); !slices.Equal(names, []string{"buyer: look", "buyer: pay", "buyer: thank", "looker: GET /"}) || len(numbers) != 4 {
		t.Errorf("%q, %d numbers", names, len(numbers))
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(n int, _ time.Duration) (time.Duration, int) {
			switch n {
			case 7: // the third payment fails, so its visitor does not thank
				return 100 * time.Millisecond, 500
			case 1, 4, 9:
				return 100 * time.Millisecond, 200
			}
			return 10 * time.Millisecond, 200
		})
		o := &Options{Duration: 4 * time.Second, Warmup: noWarmup(), Arrivals: Even, Dial: f.dial, alarm: func() (alarm, error) { return timerAlarm{}, nil }}
		g, err := NewJourney(j, "http://fake.test/", o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.Rate(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		f.conns.Wait()
		if len(s.Parts) != 3 {
			t.Fatalf("%+v", s.Parts)
		}
		look, pay, thank := s.Parts[0], s.Parts[1], s.Parts[2]
		if look.Requests != 4 || pay.Requests != 4 || thank.Requests != 3 || pay.Errors != 0.25 || thank.Errors != 0 {
			t.Errorf("%+v", s.Parts)
		}
		if pay.Name != "pay" || pay.P50 < 99 || pay.P50 > 102 || look.P99 > 11 {
			t.Errorf("%+v", s.Parts)
		}
		d := &Document{Unit: g.Unit(), Steps: []*Step{s}}
		var b strings.Builder
		if err := d.WriteText(&b); err != nil || !strings.Contains(b.String(), "the journey at 1/s:") || !strings.Contains(b.String(), "pay  <- slowest") {
			t.Errorf("%v:\n%s", err, b.String())
		}
		if page := writePage(t, d); !strings.Contains(page, "the journey at 1/s") || !strings.Contains(page, "thank") {
			t.Errorf("the page lacks the journey:\n%s", page)
		}
	})
}
