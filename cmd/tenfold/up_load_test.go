package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// answer is the result of one request.
type answer struct {
	due    time.Time     // when it should have been sent
	delay  time.Duration // from due to when it was sent: the test itself is to blame
	took   time.Duration // from due to the end of the answer
	path   string
	status int
	header http.Header
	body   string
	err    error
}

// failed reports an answer that a customer would notice: none, an incomplete one, or an error.
func (a answer) failed() bool { return a.err != nil || a.status < 200 || a.status > 299 }

// waited is how long the customer waited, without the delay of the test itself.
func (a answer) waited() time.Duration { return a.took - a.delay }

func (a answer) String() string {
	return fmt.Sprintf("%s %s -> %d %v %.120q after %v", a.due.Format("05.000"), a.path, a.status, a.err, a.body, a.took)
}

// maxInFlight limits the requests in flight. On a machine that is too slow, requests are then sent with a delay, which
// the figures show.
const maxInFlight = 100

// traffic sends requests at fixed times, independent of the results of earlier requests (open loop). It uses its own
// connections and does not retry, so that every failure is visible.
type traffic struct {
	address string
	rate    int // per second
	request func(i int) *http.Request

	begun time.Time
	quit  chan struct{}
	all   sync.WaitGroup

	mu      sync.Mutex
	idle    []*client
	dials   int
	answers []answer
}

// offer starts traffic to the gateway of x.
func offer(x *running, rate int, request func(i int) *http.Request) *traffic {
	l := &traffic{address: x.url[len("http://"):], rate: rate, request: request, begun: time.Now(), quit: make(chan struct{})}
	l.all.Go(l.pace)
	x.t.Cleanup(func() { l.end() })
	return l
}

func (l *traffic) pace() {
	slots := make(chan struct{}, maxInFlight)
	for i := 0; ; i++ {
		due := l.begun.Add(time.Duration(i) * time.Second / time.Duration(l.rate))
		select {
		case <-l.quit:
			return
		case <-time.After(time.Until(due)):
		}
		slots <- struct{}{}
		l.all.Go(func() {
			a := l.send(due, l.request(i))
			<-slots
			l.mu.Lock()
			l.answers = append(l.answers, a)
			l.mu.Unlock()
		})
	}
}

// end stops sending, waits for the last answer and returns all of them.
func (l *traffic) end() []answer {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.all.Wait()
	for _, c := range l.idle {
		c.Close()
	}
	l.idle = nil
	return l.answers
}

// soFar returns how many answers there are.
func (l *traffic) soFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answers)
}

func (l *traffic) send(due time.Time, req *http.Request) (a answer) {
	a = answer{due: due, delay: time.Since(due), path: req.URL.Path}
	defer func() { a.took = time.Since(due) }()
	c, err := l.connection()
	if err != nil {
		a.err = err
		return a
	}
	keep := false
	defer func() {
		if !keep {
			c.Close()
			return
		}
		l.mu.Lock()
		l.idle = append(l.idle, c)
		l.mu.Unlock()
	}()
	resp, err := c.do(req)
	if err != nil {
		a.err = err
		return a
	}
	a.status, a.header, a.body = resp.StatusCode, resp.Header, resp.body
	keep = !resp.Close
	switch {
	case a.status != 200:
	case req.URL.Path == "/page" && a.body != thePage, req.URL.Path == "/chunked" && a.body != theChunks:
		a.err = fmt.Errorf("a body of %d bytes that is not the expected one", len(a.body))
	}
	return a
}

func (l *traffic) connection() (*client, error) {
	l.mu.Lock()
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return c, nil
	}
	l.dials++
	l.mu.Unlock()
	return dial(l.address)
}

// client is one connection that sends one request after the other. The client of net/http sends a request again when a
// connection breaks. That would hide failures that these tests look for.
type client struct {
	net.Conn
	in *bufio.Reader
}

type response struct {
	*http.Response
	body string
}

func dial(address string) (*client, error) {
	nc, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	return &client{nc, bufio.NewReader(nc)}, nil
}

func (c *client) do(req *http.Request) (*response, error) {
	c.SetDeadline(time.Now().Add(2 * patience))
	var out bytes.Buffer
	if err := req.Write(&out); err != nil {
		return nil, err
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	resp, err := http.ReadResponse(c.in, req)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read body after %d bytes: %w", len(body), err)
	}
	return &response{resp, string(body)}, nil
}

// request makes a request without a body.
func request(method, target string) *http.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	return &http.Request{Method: method, URL: u, Host: "service.test", Header: http.Header{}}
}

// visits returns GET requests of each kind, each with a few milliseconds of work.
func visits(i int) *http.Request {
	return request("GET", []string{"/small?ms=5", "/page?ms=3", "/chunked?ms=2"}[i%3])
}

// visitShop returns requests for pages of the example shop.
func visitShop(i int) *http.Request {
	return request("GET", []string{"/", "/api/products", "/static/shop.css", "/api/cart"}[i%4])
}

// summary is a summary of answers.
type summary struct {
	n, failed int
	rate      float64 // per second, as measured
	delay     time.Duration
	p50, p99  time.Duration
	worst     time.Duration
}

func summarize(answers []answer) (s summary) {
	if len(answers) == 0 {
		return s
	}
	var took, delay []time.Duration
	first, last := answers[0].due, answers[0].due
	for _, a := range answers {
		took, delay = append(took, a.took), append(delay, a.delay)
		if a.failed() {
			s.failed++
		}
		if sent := a.due.Add(a.delay); sent.After(last) {
			last = sent
		}
		if a.due.Before(first) {
			first = a.due
		}
	}
	slices.Sort(took)
	slices.Sort(delay)
	s.n, s.rate = len(answers), float64(len(answers))/max(time.Millisecond, last.Sub(first)).Seconds()
	s.delay, s.p50, s.p99, s.worst = share(delay, 0.99), share(took, 0.5), share(took, 0.99), took[len(took)-1]
	return s
}

// share returns the quantile q of a sorted list.
func share(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (s summary) pairs(more ...any) []any {
	return append([]any{"requests", s.n, "failed", s.failed, "rps", int(s.rate), "p50", s.p50, "p99", s.p99, "max", s.worst,
		"sent_late_p99", s.delay}, more...)
}

// noneFailed fails the test when requests have failed, and shows some of them.
func noneFailed(t *testing.T, answers []answer) {
	t.Helper()
	shown := 0
	for _, a := range answers {
		if a.failed() && shown < 5 {
			t.Errorf("failed: %v", a)
			shown++
		}
	}
	if s := summarize(answers); s.failed > 0 {
		t.Errorf("%d of %d requests failed", s.failed, s.n)
	}
	if len(answers) == 0 {
		t.Error("no request was sent")
	}
}
