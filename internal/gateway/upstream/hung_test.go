package upstream

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/node"
)

func TestHungBecause(t *testing.T) {
	const after = time.Minute
	quiet := evidence{silent: time.Minute, unanswered: 3, siblings: 3}
	with := func(change func(*evidence)) evidence { e := quiet; change(&e); return e }
	for name, c := range map[string]struct {
		after time.Duration
		e     evidence
		want  string
	}{
		"nothing to report":                     {after, evidence{}, ""},
		"fails its probes for long enough":      {after, evidence{failing: time.Minute}, hungByProbe},
		"fails its probes for a shorter time":   {after, evidence{failing: time.Minute - 1}, ""},
		"silent while the others answer":        {after, quiet, hungByRequests},
		"silent for a shorter time":             {after, with(func(e *evidence) { e.silent-- }), ""},
		"only two requests, maybe slow ones":    {after, with(func(e *evidence) { e.unanswered = 2 }), ""},
		"one request for twice the time":        {after, with(func(e *evidence) { e.unanswered, e.silent = 1, 2*time.Minute }), hungByRequests},
		"silent without a request":              {after, with(func(e *evidence) { e.unanswered, e.silent = 0, time.Hour }), ""},
		"the others answer nothing either":      {after, with(func(e *evidence) { e.siblings = 2 }), ""},
		"the service has slow requests":         {after, with(func(e *evidence) { e.slowest = 31 * time.Second }), ""},
		"silent for longer than slow ones take": {after, with(func(e *evidence) { e.slowest = 30 * time.Second }), hungByRequests},
		"both: the probe is the clearer reason": {after, with(func(e *evidence) { e.failing = time.Hour }), hungByProbe},
		"switched off":                          {0, with(func(e *evidence) { e.failing = time.Hour }), ""},
	} {
		if got := hungBecause(c.after, c.e); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestProbesInARow(t *testing.T) {
	var v vitals
	at := func(second int) time.Time { return time.Time{}.Add(time.Hour + time.Duration(second)*time.Second) }
	failed := errors.New("probe answered 500")
	steps := []struct {
		start, end int
		err        error
		want       time.Duration
	}{
		{0, 5, failed, 0}, // one failed probe, however slow, is no row
		{7, 8, failed, 8 * time.Second},
		{20, 21, failed, 21 * time.Second},
		{22, 22, nil, 0},
		{30, 31, failed, 0},
		{32, 33, failed, 3 * time.Second},
	}
	for i, s := range steps {
		v.probed(at(s.start), at(s.end), s.err)
		if got := v.evidence(0, 0).failing; got != s.want {
			t.Errorf("step %d: failing for %v, want %v", i, got, s.want)
		}
	}
}

// Each step is one second.
func TestSilenceOfANode(t *testing.T) {
	type look struct {
		held, received, answers, others uint64
		out                             bool
	}
	for name, c := range map[string]struct {
		looks      []look
		silent     time.Duration
		unanswered uint64
		siblings   uint64
	}{
		"without requests": {looks: []look{{}, {others: 9}, {others: 9}}},
		"answers all":      {looks: []look{{received: 5, answers: 5}, {received: 9, answers: 9}}},
		"holds three requests": {
			looks:  []look{{}, {held: 3, received: 3, others: 4}, {held: 3, received: 3, others: 4}},
			silent: 2 * time.Second, unanswered: 3, siblings: 8,
		},
		"held some when it answered for the last time": {
			looks:  []look{{held: 2, received: 9, answers: 7}, {held: 2, received: 9, answers: 7}},
			silent: time.Second, unanswered: 2,
		},
		"an answer ends the silence": {
			looks:  []look{{held: 3, received: 3}, {held: 3, received: 3}, {held: 2, received: 3, answers: 1}},
			silent: 0, unanswered: 2,
		},
		"requests that time out are still not answered": {
			looks:  []look{{held: 3, received: 3}, {held: 0, received: 3}, {held: 2, received: 5}},
			silent: 2 * time.Second, unanswered: 5,
		},
		"ejected because of its silence": {
			looks:  []look{{held: 3, received: 3}, {out: true, received: 3}, {out: true, received: 3}},
			silent: 3 * time.Second, unanswered: 3,
		},
		"ejected for another reason":       {looks: []look{{received: 9, answers: 9}, {out: true, received: 9, answers: 9}, {out: true, received: 9, answers: 9}}},
		"refused connections hold nothing": {looks: []look{{received: 3}, {received: 6}, {received: 9}}},
	} {
		var v vitals
		for _, l := range c.looks {
			v.look(time.Second, l.held, l.received, l.answers, l.others, l.out)
		}
		last := c.looks[len(c.looks)-1]
		want := evidence{silent: c.silent, unanswered: c.unanswered, siblings: c.siblings}
		if got := v.evidence(last.received, 0); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestSlowestResponseIsForgottenAfterTwoWindows(t *testing.T) {
	var s slowest
	now := time.Now()
	s.look(now, time.Minute)
	s.observe(9 * time.Second)
	s.observe(3 * time.Second)
	for i, want := range []time.Duration{9 * time.Second, 9 * time.Second, 9 * time.Second, 0} {
		if got := s.look(now, time.Minute); got != want {
			t.Errorf("look %d: got %v, want %v", i, got, want)
		}
		now = now.Add(61 * time.Second)
	}
}

// statusOf returns the status of a node.
func statusOf(p *Pool, id string) Status {
	for _, s := range p.Nodes() {
		if s.ID == id {
			return s
		}
	}
	return Status{}
}

func TestNodeThatAnswersProbesButNoRequestsIsHung(t *testing.T) {
	address, arrived, release := serveGated(t)
	p := newPool(t, "replace_after: 200ms\nbalance: round-robin\nretry: {budget: 100%}\noutlier: {eject: 300ms}", address, serve(t, respondWith("other")))
	results := make(chan string, 1000)
	request := func() {
		_, text, err := send(t.Context(), p, "GET", "")
		if err != nil {
			text = err.Error()
		}
		results <- text
	}
	for range 8 {
		go request()
	}
	for range 3 {
		<-arrived // the node holds them
	}
	await(t, "the node is hung", func() bool {
		send(t.Context(), p, "POST", "x", "Idempotency-Key", "1") // the other node answers
		return p.Hung("shop-1") != ""
	})
	if s := statusOf(p, "shop-1"); s.Hung != hungByRequests || !s.Ejected || s.State != node.Ready {
		t.Errorf("got %+v", s)
	}
	for range 8 {
		if got := <-results; got != "other" {
			t.Errorf("a request got %q, want the answer of the other node", got)
		}
	}
	close(release) // the node works again
	await(t, "the mark is removed", func() bool {
		send(t.Context(), p, "GET", "")
		return p.Hung("shop-1") == "" && p.Hung("shop-2") == ""
	})
}

func TestNodeThatFailsItsProbesIsHungUntilAGoodOne(t *testing.T) {
	n := &hangingNode{}
	p := newPool(t, "replace_after: 200ms\nprobe: {interval: 20ms, timeout: 20ms}", n.serve(t), serve(t, respondWith("other")))
	n.hangs.Store(true)
	await(t, "the node is hung", func() bool { return p.Hung("shop-1") == hungByProbe })
	if got := p.Hung("shop-2"); got != "" {
		t.Errorf("the other node is hung, too: %s", got)
	}
	n.hangs.Store(false)
	await(t, "the mark is removed", func() bool { return p.Hung("shop-1") == "" })
}

func TestOnlyTheLivenessProbeMakesANodeHung(t *testing.T) {
	status := make(chan int, 1)
	status <- 200
	address := serveProbes(t, func(path string) int {
		code := <-status
		defer func() { status <- code }()
		if path == "/readyz" {
			return code
		}
		return http.StatusOK
	})
	alive := make(chan int, 1)
	alive <- 200
	dead := serveProbes(t, func(path string) int {
		code := <-alive
		defer func() { alive <- code }()
		if path == "/livez" {
			return code
		}
		return http.StatusOK
	})
	p := newPool(t, `replace_after: 100ms
probe: {path: /readyz, interval: 10ms}
liveness: {path: /livez, interval: 10ms}`, address, dead)
	<-status
	status <- 503
	<-alive
	alive <- 500
	await(t, "the node with a bad liveness probe is hung", func() bool { return p.Hung("shop-2") == hungByProbe })
	await(t, "the node with a bad readiness probe gets no requests", func() bool { return statusOf(p, "shop-1").State == node.Starting })
	if s := statusOf(p, "shop-2"); s.State != node.Ready {
		t.Errorf("the hung node is %v, want ready: its readiness probe passes", s.State)
	}
	time.Sleep(300 * time.Millisecond) // three times replace_after
	if got := p.Hung("shop-1"); got != "" {
		t.Errorf("a node that is not ready is hung by %s", got)
	}
	<-alive
	alive <- 200
	await(t, "the mark is removed", func() bool { return p.Hung("shop-2") == "" })
}

// requestTo returns a request that prefers a node.
func requestTo(t *testing.T, id, method, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://shop.example"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return (&exchange.Exchange{PreferredNode: id}).Attach(req)
}

// Streams and uploads hold their node for longer than replace_after, while the other node answers.
func TestStreamsAndUploadsDoNotMakeANodeHung(t *testing.T) {
	for name, held := range map[string]func(t *testing.T, p *Pool){
		"stream": func(t *testing.T, p *Pool) {
			resp, err := p.RoundTrip(requestTo(t, "shop-1", "GET", "/events", nil))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { resp.Body.Close() })
		},
		"upload": func(t *testing.T, p *Pool) {
			body, client := io.Pipe()
			t.Cleanup(func() { client.CloseWithError(errors.New("the client disconnects")) })
			go p.RoundTrip(requestTo(t, "shop-1", "POST", "/upload", body))
			client.Write([]byte("a part"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			defer close(done)
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/upload" {
					io.Copy(io.Discard, r.Body)
					return
				}
				http.NewResponseController(w).Flush()
				<-done
			})
			p := newPool(t, "replace_after: 100ms", address, serve(t, respondWith("other")))
			for range fewRequests {
				held(t, p)
			}
			if got := statusOf(p, "shop-1"); got.InFlight != fewRequests || got.Requests != fewRequests {
				t.Errorf("the node holds %d of %d requests, want %d", got.InFlight, got.Requests, fewRequests)
			}
			for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); {
				resp, err := p.RoundTrip(requestTo(t, "shop-2", "GET", "/x", nil))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := p.Hung("shop-1") + p.Hung("shop-2"); got != "" {
					t.Fatalf("a node is hung by %s", got)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}
