package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

func TestFaultOf(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	call := func(name string, errno syscall.Errno) error { return os.NewSyscallError(name, errno) }
	for name, c := range map[string]struct {
		err   error
		ended bool
		want  fault
	}{
		"body that cannot be read":       {err: &client.BodyError{Err: io.EOF}, want: faultClient},
		"client that left":               {err: context.Canceled, ended: true, want: faultClient},
		"drained node":                   {err: ErrDrained, ended: true, want: faultClient},
		"client that left during a dial": {err: dial(context.Canceled), ended: true, want: faultClient},
		"timeout":                        {err: ErrTimeout, ended: true, want: faultNode},
		"timeout of a try":               {err: ErrTryTimeout, ended: true, want: faultNode},
		"node that went down":            {err: ErrNodeDown, ended: true, want: faultNode},
		"closed connection":              {err: io.ErrUnexpectedEOF, want: faultNode},
		"reset connection":               {err: &net.OpError{Op: "read", Err: call("read", syscall.ECONNRESET)}, want: faultNode},
		"malformed response":             {err: &client.MalformedError{Reason: "x"}, want: faultNode},
		"large response header":          {err: &client.LimitError{Limit: client.LimitHeaderLines, Value: 256}, want: faultLimit},
		"refused connection":             {err: dial(call("connect", syscall.ECONNREFUSED)), want: faultRefused},
		"missing socket":                 {err: &net.OpError{Op: "dial", Net: "unix", Err: call("connect", syscall.ENOENT)}, want: faultRefused},
		"no route":                       {err: dial(call("connect", syscall.EHOSTUNREACH)), want: faultUnreached},
		"unknown name":                   {err: dial(&net.DNSError{Err: "no such host", Name: "shop", IsNotFound: true}), want: faultUnreached},
		"slow dial":                      {err: dial(os.ErrDeadlineExceeded), want: faultUnreached},
		"no descriptor":                  {err: dial(call("socket", syscall.EMFILE)), want: faultShortage},
		"no descriptor on the machine":   {err: dial(call("socket", syscall.ENFILE)), want: faultShortage},
		"no descriptor for a look-up":    {err: dial(&net.DNSError{Err: "dial udp 10.0.0.2:53: socket: too many open files", Name: "shop"}), want: faultShortage},
		"no port":                        {err: dial(call("connect", syscall.EADDRNOTAVAIL)), want: faultShortage},
		"no buffer":                      {err: dial(call("connect", syscall.ENOBUFS)), want: faultShortage},
		"no memory":                      {err: dial(call("socket", syscall.ENOMEM)), want: faultShortage},
		"no buffer for a write":          {err: &net.OpError{Op: "write", Err: call("write", syscall.ENOBUFS)}, want: faultShortage},
	} {
		if got := faultOf(c.err, c.ended); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestUnlikelyRow(t *testing.T) {
	for _, c := range []struct {
		row      int64
		siblings float64
		want     bool
	}{{5, 0, true}, {5, 0.05, true}, {5, 0.1, false}, {7, 0.1, true}, {12, 0.3, true}, {10, 0.5, false}, {20, 0.5, true},
		{100, 0.9, false}, {1_000_000, 1, false}} {
		if got := unlikelyRow(c.row, c.siblings); got != c.want {
			t.Errorf("%d failures in a row, siblings fail at %v: %v, want %v", c.row, c.siblings, got, c.want)
		}
	}
}

// One URL has 300 Set-Cookie lines. It is asked for 30 times per second, and other URLs are asked for in between: they
// are not affected.
func TestResponseAboveALimitCountsAgainstNoNode(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cookies" {
			for i := range 300 {
				w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=1", i))
			}
		}
	}
	p := newPool(t, "", serve(t, h), serve(t, h))
	var limit *ResponseLimitError
	for range 30 {
		_, _, err := sendTo(t.Context(), p, "/cookies", "GET", "")
		if !errors.As(err, &limit) || err.Error() != "node "+nodeOf(err)+": response has too many header lines: more than 256 (services.shop.response.header_lines)" {
			t.Fatalf("%v", err)
		}
	}
	for range 110 {
		if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
			t.Fatalf("a healthy request: %d %v", status, err)
		}
	}
	for _, n := range p.Nodes() {
		if n.Ejected || n.State != node.Ready || n.Failures > 0 {
			t.Errorf("%+v", n)
		}
	}
	p = newPool(t, "response: {header_lines: 400}", serve(t, h))
	if status, _, err := sendTo(t.Context(), p, "/cookies", "GET", ""); status != 200 || err != nil {
		t.Errorf("with a higher limit: %d %v", status, err)
	}
	p = newPool(t, "response: {header_bytes: 1KiB}", serve(t, h))
	if _, _, err := sendTo(t.Context(), p, "/cookies", "GET", ""); err == nil || !strings.Contains(err.Error(), "more than 1024 bytes (services.shop.response.header_bytes)") {
		t.Errorf("with fewer bytes: %v", err)
	}
}

func nodeOf(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Node
	}
	return ""
}

// A URL that always answers 502 closes no other URL, and ejects no node.
func TestURLThatAlwaysFailsLeavesTheOthersAlone(t *testing.T) {
	for _, picker := range []string{"p2c", "round-robin", "hash(path)"} {
		h := func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/bad") {
				w.WriteHeader(502)
			}
		}
		p := newPool(t, "balance: "+picker, serve(t, h), serve(t, h), serve(t, h))
		for i := range 110 {
			if status, _, err := sendTo(t.Context(), p, "/bad", "GET", ""); status != 502 || err != nil {
				t.Fatalf("%s: %d %v, want the service's 502", picker, status, err)
			}
			if status, _, err := sendTo(t.Context(), p, fmt.Sprint("/good/", i%10), "GET", ""); status != 200 || err != nil {
				t.Fatalf("%s: a healthy request: %d %v", picker, status, err)
			}
			sendTo(t.Context(), p, "/bad", "POST", "x")
			sendTo(t.Context(), p, fmt.Sprint("/bad/", i), "GET", "")
		}
		for _, n := range p.Nodes() {
			if n.Ejected {
				t.Errorf("%s: ejected: %+v", picker, n)
			}
		}
	}
}

// A node that alone answers 502 is ejected, also for requests that are not repeated.
func TestNodeThatAloneAnswers502IsEjected(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		bad := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) })
		p := newPool(t, "balance: round-robin", bad, serve(t, respondWith("")), serve(t, respondWith("")))
		for range 30 {
			send(t.Context(), p, method, "")
		}
		if n := p.Nodes()[0]; !n.Ejected {
			t.Errorf("%s: the failing node is not ejected: %+v", method, n)
		}
	}
}

// Timeouts count over all URLs.
func TestTimeoutsOpenTheBreaker(t *testing.T) {
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := newPool(t, "timeout: 5ms\nretry: off", slow)
	for range 30 {
		send(t.Context(), p, "GET", "")
	}
	if s := p.Breaker(); s != breaker.Open {
		t.Errorf("the breaker is %v", s)
	}
}

// After a fault of connections, a trial that gets the usual 502 of its URL closes the breaker.
func TestTrialWithAStatusClosesTheBreakerThatConnectionsOpened(t *testing.T) {
	var hangs atomic.Bool
	hangs.Store(true)
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			<-r.Context().Done()
		}
		w.WriteHeader(502)
	})
	p := newPool(t, "timeout: 500ms\nretry: {tries: 1, try_timeout: 5ms}\nbreaker: {open: 10ms}", slow)
	for range 30 {
		send(t.Context(), p, "GET", "")
	}
	if s := p.Breaker(); s == breaker.Closed {
		t.Fatal("the breaker did not open")
	}
	hangs.Store(false)
	await(t, "the breaker closes", func() bool {
		send(t.Context(), p, "GET", "")
		return p.Breaker() == breaker.Closed
	})
}

// A shortage of this machine counts neither for the breaker nor against the nodes.
func TestShortageCountsAgainstNoNode(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("")), serve(t, respondWith("")))
	for range 100 {
		for _, m := range p.ordered {
			_, done := context.WithCancelCause(t.Context())
			req, _ := http.NewRequest("GET", "http://shop.example/", nil)
			a := &attempt{pool: p, member: m, running: running{req: req, cancel: done}, tunnel: true}
			m.tunnels.Add(1)
			err := a.fail(&client.Error{Stage: client.NotSent,
				Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}})
			if !blameless(err) {
				t.Fatalf("%v", err)
			}
		}
	}
	for _, n := range p.Nodes() {
		if n.Ejected || n.State != node.Ready || n.Failures > 0 {
			t.Errorf("%+v", n)
		}
	}
}

// Tries that reached no node are free: without any retry budget, a request reaches the one node of five that lives.
func TestTriesThatReachedNoNodeAreFree(t *testing.T) {
	for round := range 5 {
		var servers []*http.Server
		var addresses []string
		for range 4 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &http.Server{Handler: respondWith("dead")}
			go s.Serve(l)
			servers, addresses = append(servers, s), append(addresses, l.Addr().String())
		}
		p := newPool(t, "balance: round-robin\nretry: {budget: 0%, tries: 2}\nprobe: {interval: 1h}",
			append(addresses, serve(t, respondWith("alive")))...)
		for _, s := range servers {
			s.Close()
		}
		for range 3 {
			if status, body, err := send(t.Context(), p, "POST", "order"); status != 200 || body != "alive" || err != nil {
				t.Fatalf("round %d: %d %q %v", round, status, body, err)
			}
		}
	}
}

// When all nodes refuse, each of them is tried once, and the error says so.
func TestFreeTriesAreBoundedByTheNumberOfNodes(t *testing.T) {
	p := newPool(t, "balance: round-robin\noutlier: {panic: 100%}\nprobe: {interval: 1h}", serve(t, respondWith("")), serve(t, respondWith("")), serve(t, respondWith("")))
	for _, m := range p.ordered {
		address := refusingAddress(t)
		m.conns.dial = func(ctx context.Context) (net.Conn, error) { return m.dialer.connect(ctx, address) }
	}
	_, _, err := send(t.Context(), p, "GET", "")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
	tries := uint64(0)
	for _, n := range p.Nodes() {
		tries += n.Requests
	}
	if tries > 3+3 {
		t.Errorf("%d tries of one request on three nodes", tries)
	}
}

// refusingAddress returns an address that refuses connections.
func refusingAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A node that refuses one connection gets no request until its next good probe, which does not wait for the interval.
func TestRefusedConnectionTakesTheNodeOutUntilItsNextGoodProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "restarted") })
	first := &http.Server{Handler: answer}
	go first.Serve(l)
	p := newPool(t, "balance: round-robin\nprobe: {interval: 1h}", address, serve(t, respondWith("other")))
	first.Close()
	p.members["shop-1"].conns.closeIdle()
	for range 20 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
			t.Fatalf("%q %v", body, err)
		}
	}
	if n := p.Nodes()[0]; n.State != node.Starting || n.Requests > 1 {
		t.Errorf("the node that refuses: %+v, want one request and not ready", n)
	}
	await(t, "the port is free again", func() bool {
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	second := &http.Server{Handler: answer}
	go second.Serve(l)
	defer second.Close()
	await(t, "the node gets requests again", func() bool {
		_, body, _ := send(t.Context(), p, "GET", "")
		return body == "restarted"
	})
}

// The limits of response headers apply to gRPC, too.
func TestGRPCResponseAboveALimit(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		for i := range 300 {
			w.Header().Add("X-Line", strings.Repeat("x", i))
		}
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	for limits, want := range map[string]string{
		"{header_lines: 200, header_bytes: 1MiB}": "more than 200 (services.shop.response.header_lines)",
		"{header_lines: 400, header_bytes: 8KiB}": "more than 8192 bytes (services.shop.response.header_bytes)",
		"{header_lines: 400, header_bytes: 1MiB}": "",
	} {
		p := newPool(t, "response: "+limits, s.Listener.Addr().String())
		_, _, err := send(t.Context(), p, "POST", "x", "Content-Type", "application/grpc")
		if want == "" && err != nil || want != "" && (!blameless(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", limits, err, want)
		}
		if n := p.Nodes()[0]; n.Failures > 0 {
			t.Errorf("%s: %+v", limits, n)
		}
	}
}

func TestReachedNoNode(t *testing.T) {
	at := func(stage client.Stage, op string) error {
		return &Error{Node: "shop-1", Stage: stage, Err: fmt.Errorf("x: %w", &net.OpError{Op: op, Err: io.EOF})}
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"no connection":                {at(client.NotSent, "dial"), true},
		"idle connection that is gone": {at(client.NotSent, "write"), true},
		"failed TLS handshake":         {at(client.NotSent, "read"), false},
		"part of a request":            {at(client.Sent, "write"), false},
		"lost response":                {at(client.Sent, "read"), false},
		"request without a form":       {&Error{Stage: client.NotSent, Err: io.EOF}, false},
	} {
		if got := reachedNoNode(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
