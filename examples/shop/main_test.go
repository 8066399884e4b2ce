package shop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestMain lets the test binary run as the shop, so that tests can start it as a process and kill it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_SHOP") == "" {
		os.Exit(m.Run())
	}
	go func() { // the shop ends with its test, however that ends
		io.Copy(io.Discard, os.Stdin)
		os.Exit(exitError)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if step := os.Getenv("SHOP_ENDS_WHEN"); step != "" {
		fmt.Fprintln(os.Stderr, serveUntil(ctx, mortal(step)))
		os.Exit(exitError)
	}
	os.Exit(Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// process is a shop in another process.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr io.Reader
}

// startProcess starts "shop serve" with more flags.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t}
	p.cmd = exec.Command(os.Args[0], append([]string{"serve", "--port=0", "--password-cost=4"}, args...)...)
	p.cmd.Env = append(os.Environ(), "BE_THE_SHOP=1")
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stderr, err = p.cmd.StderrPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if p.cmd.ProcessState == nil {
			p.end(syscall.SIGKILL)
		}
	})
	return p
}

var openLine = regexp.MustCompile(`msg="shop is open" url=(\S+)/ `)

// url waits until the shop listens. It is called once.
func (p *process) url() string {
	p.t.Helper()
	lines := bufio.NewScanner(p.stderr)
	var log strings.Builder
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if m := openLine.FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
	}
	p.t.Fatalf("the shop did not open:\n%s", &log)
	return ""
}

// end sends a signal and waits for the end.
func (p *process) end(s syscall.Signal) error {
	p.cmd.Process.Signal(s)
	io.Copy(io.Discard, p.stderr)
	return p.cmd.Wait()
}

func TestProcessesShareOneShopAndSurviveAKill(t *testing.T) {
	redis, db := redistest.Start(t), filepath.Join(t.TempDir(), "shop.db")
	start := func(latency string) *process {
		return startProcess(t, "--db", db, "--redis", redis.URL(), "--payment-latency", latency)
	}
	one, two, slow := start("0s"), start("0s"), start("1h") // concurrently, on a new file; slow is killed during a payment
	urls := []string{one.url(), two.url(), slow.url()}

	v := visit(t, urls[0])
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("nina"))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)

	dying := *v
	dying.node = urls[2]
	failed := make(chan error, 1)
	go func() {
		_, err := dying.try("POST", "/api/orders", "", "Idempotency-Key: k")
		failed <- err
	}()
	var list struct{ Orders []Order }
	eventually(t, "the order is written", func() bool {
		v.want(http.StatusOK, &list, "GET", "/api/orders", "")
		return len(list.Orders) == 1
	})
	slow.end(syscall.SIGKILL)
	if err := <-failed; err == nil {
		t.Error("the killed process answered")
	}

	v.node = urls[1]
	var order Order
	v.want(http.StatusCreated, &order, "POST", "/api/orders", "", "Idempotency-Key: k")
	if order.ID != list.Orders[0].ID || !order.Paid {
		t.Errorf("after the retry %+v, before %+v", order, list.Orders[0])
	}
	var cart Cart
	v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
	if len(cart.Lines) != 0 {
		t.Errorf("cart: %+v", cart)
	}
	for _, p := range []*process{one, two} {
		if err := p.end(syscall.SIGTERM); err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	}
}

// openServer serves a shop on a free port, like the program, until stop is called. Then it sends the error of serve.
func openServer(t *testing.T, payments Payments, drain time.Duration) (url string, stop func(), ended <-chan error) {
	t.Helper()
	s, err := New(OpenMemory(), Options{PasswordCost: 4, Payments: payments})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	end := make(chan error, 1)
	go func() { end <- s.serve(ctx, listener, drain) }()
	return "http://" + listener.Addr().String(), cancel, end
}

// checkOut starts an order, and returns during its payment.
func checkOut(t *testing.T, url string, payments *provider) <-chan answer {
	t.Helper()
	v := visit(t, url)
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("olga"))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
	answers := make(chan answer, 1)
	go func() {
		a, _ := v.try("POST", "/api/orders", "")
		answers <- a
	}()
	<-payments.waiting
	return answers
}

func TestStopFinishesWhatHasBegun(t *testing.T) {
	payments := &provider{waiting: make(chan struct{}), proceed: make(chan struct{})}
	url, stop, ended := openServer(t, payments, waitLimit)
	order := checkOut(t, url, payments)
	stop()
	eventually(t, "no new connections", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(payments.proceed)
	if a := <-order; a.status != http.StatusCreated {
		t.Errorf("order: %d %s", a.status, a.body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	payments := &provider{waiting: make(chan struct{}), proceed: make(chan struct{})}
	url, stop, ended := openServer(t, payments, time.Millisecond)
	order := checkOut(t, url, payments)
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "still running 1ms after") {
		t.Errorf("got %v", err)
	}
	if a := <-order; a.status != 0 {
		t.Errorf("order: %d %s", a.status, a.body)
	}
	close(payments.proceed)
}

func TestCommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	notKey := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(notKey, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "shop.db")

	for _, c := range []struct {
		name, args string
		code       int
		stdout     string // parts of the output
		stderr     string
	}{
		{"nothing", "", 0, "Usage: shop <command>", ""},
		{"help", "serve --help", 0, "--payment-latency", ""},
		{"unknown verb", "sell", 2, "", "unexpected argument sell"},
		{"unknown flag", "serve --color", 2, "", "hint: shop serve --help"},
		{"unknown state", "serve --state cloud", 2, "", "--state must be one of"},
		{"port", "serve --port 70000", 2, "", "port 70000"},
		{"cost", "serve --password-cost 3", 2, "", "password cost 3"},
		{"negative", "serve --payment-limit=-1", 2, "", "cannot be negative"},
		{"no Redis URL", "serve", 2, "", "hint: REDIS_URL=redis://"},
		{"wrong Redis URL", "serve --redis http://x --db " + db, 1, "", "invalid URL scheme"},
		{"no Redis", "serve --redis unix:///nowhere/redis --db " + db, 1, "", "hint: is Redis running"},
		{"no database", "serve --redis " + redistest.Start(t).URL() + " --db /nowhere/shop.db", 1, "", `open database "/nowhere/shop.db"`},
		{"taken port", "serve --state memory --port " + port, 1, "", "address already in use\nhint: another --port"},
		{"no key", "serve --state memory --port 0 --key-file " + notKey, 2, "", "not a PEM private key\nhint: openssl"},
		{"bad admin", "serve --state memory --port 0 --admin Root", 1, "", `add admin "Root": name must have`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"HOST", "PORT", "REDIS_URL", "SHOP_STATE", "SHOP_DB", "SHOP_ADMIN", "TENFOLD_NODE"} {
				t.Setenv(name, "")
				os.Unsetenv(name) // Setenv restores it after the test
			}
			var stdout, stderr strings.Builder
			code := Main(t.Context(), strings.Fields(c.args), &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, &stdout, &stderr)
			}
		})
	}
}

func TestEnvironmentIsTheDefaultOfFlags(t *testing.T) {
	t.Setenv("SHOP_STATE", "memory")
	t.Setenv("PORT", "0")
	t.Setenv("TENFOLD_NODE", "shop-9")
	p := startProcess(t)
	a := visit(t, p.url()).want(http.StatusOK, nil, "GET", "/readyz", "")
	if node := a.header.Get("X-Served-By"); node != "shop-9" {
		t.Errorf("served by %q", node)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
