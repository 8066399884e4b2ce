package console

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/status"
)

// TestMain makes this program a client: it sends a request and prints the status.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "request" {
		req, _ := http.NewRequest(os.Args[2], os.Args[3], nil)
		if os.Args[4] != "" {
			req.Header.Set("Authorization", "Bearer "+os.Args[4])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			io.WriteString(os.Stdout, err.Error())
			os.Exit(1)
		}
		io.WriteString(os.Stdout, resp.Status)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveConsole runs a console on a free port of a loopback address, and returns its URL.
func serveConsole(t *testing.T, listen string, o *Options) string {
	t.Helper()
	c := New(config.Admin{Listen: listen}, &fake{}, &fake{}, http.NotFoundHandler(), o)
	if err := c.Listen(); err != nil {
		t.Skipf("this machine has no address %s: %v", listen, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return "http://" + c.Addr().String()
}

// Without a token in the configuration, programs of other users may read, but change nothing, and not read what nodes write.
func TestOtherUsersOnlyRead(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("needs Linux and root, to become another user")
	}
	program := t.TempDir() + "/client" // where the other user may execute it
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(program, data, 0o755)
	for dir := program; dir != "/"; dir = dir[:max(1, strings.LastIndexByte(dir, '/'))] {
		os.Chmod(dir, 0o755|mode(dir))
	}
	url := serveConsole(t, "127.0.0.1:0", &Options{Token: "run-token"})
	for _, c := range []struct {
		method, path, token string
		user                uint32
		want                string
	}{
		{"GET", "/api/nodes", "", 65534, "200"},
		{"HEAD", "/healthz", "", 65534, "200"},
		{"POST", "/api/services/shop/restart", "", 65534, "401"},
		{"POST", "/api/services/shop/restart", "guess", 65534, "401"},
		{"POST", "/api/services/shop/restart", "run-token", 65534, "200"},
		{"GET", "/api/logs", "", 65534, "401"},
		{"GET", "/api/%6cogs", "", 65534, "401"},
		{"GET", "/api/logs", "run-token", 65534, "200"},
		{"GET", "/api/logs", "", 0, "200"},
		{"POST", "/api/services/shop/restart", "", 0, "200"},
	} {
		cmd := exec.Command(program, "request", c.method, url+c.path, c.token)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.user, Gid: c.user}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("%s %s by user %d with token %q: %s, %v; want %s", c.method, c.path, c.user, c.token, out, err, c.want)
		}
	}
}

// crashed is a system with a service whose last node wrote a line.
type crashed struct{ *fake }

func (crashed) Services() []status.Service {
	exit := &status.LastExit{Node: "shop-1", Reason: "exit status 1", Output: []string{"password=1234"}}
	return []status.Service{{Name: "shop", LastExit: exit}, {Name: "db"}}
}

// The last lines of a node that ended are its output, too: only its owner reads them.
func TestServicesHaveOutputForTheirOwnerOnly(t *testing.T) {
	for _, c := range []struct {
		admin           config.Admin
		runToken, token string
		want            bool
	}{
		{config.Admin{}, "run-token", "", false}, // the request has no address, so it is of no known user
		{config.Admin{}, "run-token", "guess", false},
		{config.Admin{}, "run-token", "run-token", true},
		{config.Admin{}, "", "", true},
		{config.Admin{Token: "s3cret"}, "run-token", "s3cret", true},
	} {
		console := New(c.admin, crashed{}, &fake{}, http.NotFoundHandler(), &Options{Token: c.runToken})
		r := httptest.NewRequest("GET", "http://localhost/api/services", nil)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		console.server.Handler.ServeHTTP(w, r)
		if got := strings.Contains(w.Body.String(), "password=1234"); w.Code != 200 || got != c.want {
			t.Errorf("%+v: %d, with output: %v\n%s", c, w.Code, got, w.Body)
		}
		if !strings.Contains(w.Body.String(), "exit status 1") {
			t.Errorf("%+v: the reason is missing\n%s", c, w.Body)
		}
	}
}

func mode(path string) os.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Mode()
}

func TestOwnProgramsNeedNoToken(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(listen, func(t *testing.T) {
			url := serveConsole(t, listen, &Options{Token: "run-token"})
			resp, err := http.Post(url+"/api/services/shop/restart", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("POST without a token: %s", resp.Status)
			}
		})
	}
}

func TestLogsAreFollowedUntilTheConsoleStops(t *testing.T) {
	lines := func(ctx context.Context, q LogQuery, emit func(LogLine) error) error {
		emit(LogLine{Time: time.Now(), Service: "shop", Node: "shop-1", Text: "<hello> " + q.Name})
		if q.Follow {
			<-ctx.Done()
			emit(LogLine{Text: "the end"})
		}
		return nil
	}
	c := New(config.Admin{Listen: "127.0.0.1:0"}, &fake{}, &fake{}, http.NotFoundHandler(), &Options{Logs: lines})
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	url := "http://" + c.Addr().String() + "/api/logs?"
	for query, want := range map[string]string{
		"lines=many": "400", "lines=-1": "400", "follow=perhaps": "400", "name=nope": "404", "name=shop-x": "404", "name=shop": "200", "name=shop-12": "200",
	} {
		resp, err := http.Get(url + query)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !strings.HasPrefix(resp.Status, want) {
			t.Errorf("%s: %s, want %s", query, resp.Status, want)
		}
	}
	resp, err := http.Get(url + "follow=true&name=shop-1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begun := make([]byte, 32<<10)
	n, _ := resp.Body.Read(begun) // the first line is there before the answer ends
	stop()
	rest, _ := io.ReadAll(resp.Body)
	if text := append(begun[:n], rest...); !bytes.Contains(text, []byte(`"node":"shop-1","text":"<hello> shop-1"}`+"\n")) || !bytes.Contains(text, []byte("the end")) {
		t.Errorf("got %q", text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
