package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// eachState runs a test with both kinds of state. Each call of open returns the view of one node.
func eachState(t *testing.T, test func(t *testing.T, state *State)) {
	t.Run("memory", func(t *testing.T) { test(t, OpenMemory()) })
	t.Run("shared", func(t *testing.T) { test(t, openShared(t, t.TempDir(), redistest.Start(t))) })
}

// openShared opens the shared state in dir and redis for one node.
func openShared(t testing.TB, dir string, redis *redistest.Server) *State {
	t.Helper()
	state, err := OpenShared(t.Context(), filepath.Join(dir, "shop.db"), redis.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	running := make(chan error, 1)
	go func() { running <- state.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-running, state.Close()); err != nil {
			t.Error(err)
		}
	})
	return state
}

// waitLimit limits every wait of the tests. It is much longer than any wait takes.
const waitLimit = 30 * time.Second

const testPassword = "correct horse"

// startShop serves a node with a state and returns its address. Zero options are for fast tests.
func startShop(t *testing.T, state *State, o Options) string {
	t.Helper()
	o.PasswordCost = 4
	s, err := New(state, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddAdmin(t.Context(), "admin", testPassword); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// visitor is a browser, or a program when it uses the token.
type visitor struct {
	t     *testing.T
	http  *http.Client
	node  string // the node of the next request; cookies are kept
	token string
}

func visit(t *testing.T, node string) *visitor {
	jar, _ := cookiejar.New(nil)
	return &visitor{t: t, http: &http.Client{Jar: jar}, node: node}
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with a JSON body ("" for no body) and more headers as "Name: value".
func (v *visitor) do(method, path, body string, headers ...string) answer {
	v.t.Helper()
	a, err := v.try(method, path, body, headers...)
	if err != nil {
		v.t.Fatal(err)
	}
	return a
}

func (v *visitor) try(method, path, body string, headers ...string) (answer, error) {
	r, err := http.NewRequest(method, v.node+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := v.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err
}

// insist repeats try while the response has Retry-After.
func (v *visitor) insist(method, path, body string, headers ...string) (a answer, err error) {
	for begun := time.Now(); time.Since(begun) < waitLimit; time.Sleep(50 * time.Millisecond) {
		if a, err = v.try(method, path, body, headers...); err != nil || a.header.Get("Retry-After") == "" {
			return a, err
		}
	}
	return a, fmt.Errorf("not within %v: another answer than %d %s", waitLimit, a.status, a.body)
}

// want is do for a request whose response must have this status. It decodes the JSON of the response into result, unless that is nil.
func (v *visitor) want(status int, result any, method, path, body string, headers ...string) answer {
	v.t.Helper()
	a := v.do(method, path, body, headers...)
	if a.status != status {
		v.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, status, a.body)
	}
	if result != nil {
		decode(v.t, a.body, result)
	}
	return a
}

func decode(t *testing.T, body string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}

func credentialsJSON(name string) string {
	return `{"name": "` + name + `", "password": "` + testPassword + `"}`
}

// eventually repeats a check until it succeeds or waitLimit has passed.
func eventually(t *testing.T, what string, works func() bool) {
	t.Helper()
	limit := time.After(waitLimit)
	for !works() {
		select {
		case <-limit:
			t.Fatalf("not within %v: %s", waitLimit, what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
