package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/internal/store"
)

// patience is how long a test waits for an event. It is long, because the machine may be busy.
const patience = 20 * time.Second

// front is a running gateway under test, with its logs and metrics.
type front struct {
	*Gateway
	addr    string
	access  *records
	events  *records
	metrics *prometheus.Registry
	cancel  context.CancelFunc // stops Run
	ended   chan error         // has the result of Run
}

// start runs a gateway for the nodes of one service, "shop". It returns when all nodes are ready. top is added to the
// configuration, service to the service.
func start(t testing.TB, top, service string, nodes ...string) *front {
	t.Helper()
	yaml := top + "\nservices:\n  shop:\n    nodes: [\"" + strings.Join(nodes, `", "`) + "\"]\n"
	for line := range strings.Lines("slow_start: 0s\n" + service) {
		yaml += "    " + line
	}
	return startFile(t, yaml)
}

// startFile runs a gateway from a whole configuration whose services have lists of nodes.
func startFile(t testing.TB, yaml string) *front {
	t.Helper()
	return startWith(t, yaml, Options{})
}

// startOn is startFile with a shared store. The gateway waits for the store as long as the test does.
func startOn(t testing.TB, shared *store.Store, yaml string) *front {
	t.Helper()
	return startWith(t, yaml, Options{Store: shared, storeTimeout: patience})
}

// between is a policy that stands between any two policies of the gateways that tests start; nil for none.
var between policy.Policy

func startWith(t testing.TB, yaml string, o Options) *front {
	t.Helper()
	if !strings.HasPrefix(yaml, "listen:") {
		yaml = "listen: 127.0.0.1:0\n" + yaml
	}
	cfg, err := config.Parse("test.yaml", []byte(yaml+"\nadmin: off\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{access: &records{}, events: &records{}, metrics: prometheus.NewRegistry(), ended: make(chan error, 1)}
	if o.between == nil {
		o.between = between
	}
	o.Access, o.Log = slog.New(f.access), slog.New(f.events)
	if o.Metrics == nil {
		o.Metrics = NewMetrics(f.metrics)
	}
	f.Gateway, err = New(cfg, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	f.addr = f.Addrs()[0].String()
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go func() { f.ended <- f.Run(ctx) }()
	t.Cleanup(f.kill)
	for _, s := range cfg.Services {
		set := setOf(s.Name, s.Addresses...)
		f.Update(set)
		for _, n := range set.Nodes {
			ready, stop := context.WithTimeout(context.Background(), patience)
			defer stop()
			if err := f.AwaitReady(ready, s.Name, n.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f
}

// kill stops the gateway without waiting for requests.
func (f *front) kill() {
	f.cancel()
	f.Kill()
	for {
		select {
		case err := <-f.ended:
			f.ended <- err
			return
		case <-time.After(time.Millisecond):
			f.Kill() // a request may have begun since the last call
		}
	}
}

func (f *front) url(path string) string { return "http://" + f.addr + path }

func setOf(service string, addresses ...string) node.Set {
	set := node.Set{Service: service}
	for i, a := range addresses {
		set.Nodes = append(set.Nodes, node.Node{ID: fmt.Sprintf("%s-%d", service, i+1), Service: service, Address: a})
	}
	return set
}

// serve starts a node that responds to probes, and calls h for every other request.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "tenfold-probe" {
			h(w, r)
		}
	}))
	s.Config.DisableGeneralOptionsHandler = true
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true) // for gRPC
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections() // of gateways that were killed
		s.Close()
	})
	return s
}

func address(s *httptest.Server) string { return s.Listener.Addr().String() }

// serveRaw starts a node that responds to probes. For the first request of every other connection, it calls h with the
// connection, which it closes when h returns.
func serveRaw(t testing.TB, h func(net.Conn, *http.Request, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns sync.WaitGroup
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for nc := range open {
			nc.Close()
		}
		open = nil
		mu.Unlock()
		conns.Wait()
	})
	one := func(nc net.Conn) {
		defer nc.Close()
		br := bufio.NewReader(nc)
		r, err := http.ReadRequest(br)
		switch {
		case err != nil:
		case r.UserAgent() == "tenfold-probe":
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		default:
			h(nc, r, br)
		}
	}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open == nil {
				nc.Close()
			} else {
				open[nc] = true
				conns.Go(func() { one(nc) })
			}
			mu.Unlock()
		}
	}()
	return l.Addr().String()
}

// responds is a handler for serveRaw that sends the same response to every request, after it has read the body.
func responds(text string) func(net.Conn, *http.Request, *bufio.Reader) {
	return func(nc net.Conn, r *http.Request, _ *bufio.Reader) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(nc, text)
	}
}

// dial opens a connection to the gateway. Its reads and writes fail after patience.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return nc
}

// sendRaw sends bytes on a new connection and returns all bytes of the response.
func sendRaw(t testing.TB, addr, send string) string {
	t.Helper()
	nc := dial(t, addr)
	go io.WriteString(nc, send)
	all, err := io.ReadAll(nc)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection did not end after %.500q", all)
	}
	if err != nil && len(all) == 0 {
		return "error: " + err.Error()
	}
	return string(all)
}

// newClient returns an HTTP client with its own connections.
func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport: tr, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get sends a GET, with names and values of header fields. It returns the response and its body.
func (f *front) get(t testing.TB, path string, header ...string) (*http.Response, string) {
	t.Helper()
	return f.do(t, "GET", path, nil, header...)
}

func (f *front) do(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, f.url(path), body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// problemBody is the body of the responses that the gateway gives itself.
type problemBody struct {
	Type, Title, Detail, Reason string
	Status                      int
}

// problemOf checks that a response is a complete problem of the gateway, and returns its reason.
func problemOf(t testing.TB, resp *http.Response, body string) string {
	t.Helper()
	var p problemBody
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Errorf("response %d %q is not a problem: %v", resp.StatusCode, body, err)
		return ""
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type of a problem: %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of a problem: %q", got)
	}
	if p.Status != resp.StatusCode || p.Type != "about:blank" || p.Title != http.StatusText(p.Status) || p.Detail == "" || p.Reason == "" {
		t.Errorf("response %d with problem %+v", resp.StatusCode, p)
	}
	return p.Reason
}

// await waits until ok returns true.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("timeout: waited until %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// receive waits for a value of c.
func receive[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("timeout: waited for %s", what)
	}
	return v
}

// records is a slog handler that keeps each record as a map.
type records struct {
	mu  sync.Mutex
	all []map[string]any
	raw bytes.Buffer
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	m := map[string]any{"msg": rec.Message, "level": rec.Level}
	rec.Attrs(func(a slog.Attr) bool {
		m[a.Key] = a.Value.Any()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, m)
	fmt.Fprintln(&r.raw, m)
	return nil
}

func (r *records) list() []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func (r *records) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.raw.String()
}

// wait returns the first n records. It waits for them, because a record is written after its response.
func (r *records) wait(t testing.TB, n int) []map[string]any {
	t.Helper()
	await(t, fmt.Sprintf("there are %d records", n), func() bool { return len(r.list()) >= n })
	return r.list()
}

// counted returns the metrics of the gateway: "name{label=value ...}" and the value; of a histogram the count.
func (f *front) counted(t testing.TB) map[string]float64 {
	t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := family.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, " ") + "}"
			}
			switch {
			case m.Counter != nil:
				all[name] = m.Counter.GetValue()
			case m.Gauge != nil:
				all[name] = m.Gauge.GetValue()
			case m.Histogram != nil:
				all[name] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return all
}
