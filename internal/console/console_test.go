package console

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/status"
)

// fake is a Reader and an Operator. It records what it was asked to do.
type fake struct {
	calls     []string
	reload    *status.Reload // the result of Reload; nil when it is refused
	reloadErr error
}

func (f *fake) Services() []status.Service {
	return []status.Service{{Name: "shop", Kind: "process", Wanted: 3}}
}
func (f *fake) Nodes() []status.Node {
	return []status.Node{{Service: "shop", ID: "shop-1", Address: "127.0.0.1:4711", State: "ready", PID: 42}}
}
func (f *fake) Routes() []status.Route             { return nil }
func (f *fake) Certificates() []status.Certificate { return nil }

func (f *fake) Store() status.Store {
	return status.Store{Description: "redis://db:6379", Err: "connection refused"}
}
func (f *fake) Upgrade(context.Context) (*status.Upgrade, error) {
	return &status.Upgrade{Former: status.Version{PID: 7}, PID: 8, Version: "1.2.4", Commit: "abd"}, nil
}
func (f *fake) Restart(_ context.Context, service string) error {
	if service != "shop" {
		return fmt.Errorf("restart %q: %w", service, ErrUnknown)
	}
	f.calls = append(f.calls, "restart "+service)
	return nil
}
func (f *fake) Scale(_ context.Context, service string, n int) error {
	f.calls = append(f.calls, fmt.Sprint("scale ", service, " ", n))
	return nil
}
func (f *fake) Undrain(id string) error {
	f.calls = append(f.calls, "undrain "+id)
	return nil
}
func (f *fake) Drain(_ context.Context, id string, force bool) error {
	if force {
		f.calls = append(f.calls, "force")
	}
	return fmt.Errorf("drain %q: %w", id, ErrRefused)
}

func (f *fake) Reload(context.Context, string) (*status.Reload, error) {
	f.calls = append(f.calls, "reload")
	if f.reload == nil {
		return nil, fmt.Errorf("reload: %w", ErrRefused)
	}
	return f.reload, f.reloadErr
}
func (f *fake) Deploy(_ context.Context, service string, how status.Deploy) (*status.Reload, error) {
	f.calls = append(f.calls, fmt.Sprint("deploy ", service, " ", how.Share, " ", how.Promote))
	return f.reload, f.reloadErr
}
func (f *fake) Rollback(_ context.Context, service string) error {
	f.calls = append(f.calls, "rollback "+service)
	return f.reloadErr
}
func (f *fake) Diff() (*status.Reload, error) {
	return &status.Reload{File: "tenfold.yaml", OK: true}, nil
}

// Each request that may change something is logged with its caller.
func TestActionsAreLogged(t *testing.T) {
	var b strings.Builder
	f := &fake{}
	c := New(config.Admin{Listen: "127.0.0.1:0"}, f, f, http.NotFoundHandler(), &Options{Log: slog.New(slog.NewJSONHandler(&b, nil))})
	for _, method := range []string{"GET", "POST"} {
		r := httptest.NewRequest(method, "http://127.0.0.1/api/services/shop/restart", nil)
		r.Header.Set("User-Agent", "tenfold restart"+strings.Repeat("x", 1000))
		c.server.Handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	want := `"msg":"admin action","method":"POST","path":"/api/services/shop/restart","caller":"192.0.2.1:1234","agent":"tenfold restart`
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || len(got) > 500 {
		t.Errorf("the log has %s", got)
	}
}

// A reload answers with its result, also when the file has problems.
func TestReload(t *testing.T) {
	problem := config.Problem{File: "tenfold.yaml", Line: 3, Column: 5, Path: "routes[0].to", Message: "there is no service", Hint: "did you mean shop?"}
	for _, c := range []struct {
		result *status.Reload
		err    error
		status int
		want   string
	}{
		{nil, nil, 409, `"error": "reload: not allowed in the current state"`},
		{&status.Reload{File: "tenfold.yaml", OK: true}, nil, 200, `"ok": true`},
		{&status.Reload{Problems: []config.Problem{problem}}, config.Problems{problem}, 422, `"line": 3,`},
		{&status.Reload{File: "tenfold.yaml", Error: "held back"}, io.EOF, 500, `"error": "held back"`},
	} {
		f := &fake{reload: c.result, reloadErr: c.err}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "http://127.0.0.1/api/reload", nil)
		New(config.Admin{Listen: "127.0.0.1:0"}, f, f, http.NotFoundHandler(), nil).server.Handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("got %d %s, want %d with %s", w.Code, w.Body, c.status, c.want)
		}
	}
}

func TestConsole(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "up 1\n") })
	type header = map[string]string
	for _, c := range []struct {
		token, method, path, body string
		header                    header
		status                    int
		want                      string
	}{
		{method: "GET", path: "/healthz", status: 200, want: "ok"},
		{method: "GET", path: "/metrics", status: 200, want: "up 1"},
		{method: "GET", path: "/api/nodes", status: 200, want: `"pid": 42`},
		{method: "GET", path: "/api/services", status: 200, want: `"wanted": 3`},
		{method: "GET", path: "/api/routes", status: 200, want: "[]"},
		{method: "GET", path: "/api/store", status: 200, want: `"up": false,` + "\n" + `  "error": "connection refused"`},
		{method: "GET", path: "/api/version", status: 200, want: `"commit": "abc",` + "\n" + `  "pid": 7,`},
		{method: "POST", path: "/api/upgrade", status: 200, want: `"pid": 8`},
		{method: "GET", path: "/api/diff", status: 200, want: `"file": "tenfold.yaml"`},
		{method: "GET", path: "/nothing", status: 404},
		{method: "GET", path: "/api/services/shop/restart", status: 405},
		{method: "POST", path: "/api/services/shop/restart", status: 200, want: `"done": true`},
		{method: "POST", path: "/api/services/nope/restart", status: 404, want: "not found"},
		{method: "POST", path: "/api/nodes/shop-1/drain", status: 409, want: "not allowed in the current state"},
		{method: "POST", path: "/api/services/shop/scale", body: `{"nodes": 5}`, status: 200},
		{method: "POST", path: "/api/services/shop/scale", body: `{"nodes": "many"}`, status: 400},
		{method: "POST", path: "/api/services/shop/scale", body: `{}`, status: 400},
		{method: "POST", path: "/api/services/shop/scale", body: strings.Repeat("[", 1<<20), status: 400},
		{method: "POST", path: "/api/services/shop/restart", header: header{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, status: 403},
		{method: "GET", path: "/api/nodes", header: header{"Host": "evil.example"}, status: 403},
		{method: "GET", path: "/api/nodes", header: header{"Host": "localhost:9090"}, status: 200},
		{token: "s3cret", method: "GET", path: "/api/nodes", status: 401},
		{token: "s3cret", method: "GET", path: "/metrics", header: header{"Authorization": "Bearer guess"}, status: 401},
		{token: "s3cret", method: "GET", path: "/api/nodes", header: header{"Authorization": "Bearer s3cret", "Host": "admin.example"}, status: 200},
	} {
		f := &fake{}
		console := New(config.Admin{Listen: "127.0.0.1:0", Token: c.token}, f, f, metrics, &Options{Version: status.Version{Commit: "abc", PID: 7}})
		r := httptest.NewRequest(c.method, "http://127.0.0.1:9090"+c.path, strings.NewReader(c.body))
		for name, value := range c.header {
			r.Header.Set(name, value)
			if name == "Host" {
				r.Host = value
			}
		}
		w := httptest.NewRecorder()
		console.server.Handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %v: %d %s; want %d with %q", c.method, c.path, c.header, w.Code, w.Body, c.status, c.want)
		}
		if w.Code >= 300 && len(f.calls) > 0 {
			t.Errorf("%s %s was refused, but the operator was called: %v", c.method, c.path, f.calls)
		}
	}
}

func TestListenRunAndOff(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "off"} {
		c := New(config.Admin{Listen: address}, &fake{}, &fake{}, http.NotFoundHandler(), nil)
		if err := c.Listen(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		if address != "off" {
			resp, err := http.Get("http://" + c.Addr().String() + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
