//go:build linux

// Command proxy compares tenfold, nginx, HAProxy and Caddy as reverse proxies for HTTP/1.1, in one run:
//
//	go run ./bench/proxy
//	go run ./bench/proxy --rounds 3 --cases small,16KiB --peers tenfold,nginx
//	go run ./bench/proxy --tenfold old=/tmp/old --tenfold new=/tmp/new     # compares two builds
//	go run ./bench/proxy --idle 10000
//
// Each proxy is pinned to one core. The load generator and a very cheap backend share another core. Each round measures
// every proxy once, so that other work on the machine affects all proxies alike. The main figure is the CPU time of the
// proxy's processes, user and system, per request. It depends less on other work on the machine than throughput and
// latency. Every proxy is measured without an access log and with one to a file. The configurations are the *.conf
// files in this directory. The report names a proxy that is not installed as missing.
//
// The load is closed: each connection sends its next request when the last response has arrived. So the latencies are
// those at saturation, and not those of a service at moderate load.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the values of the flags.
type options struct {
	rounds  int
	window  time.Duration
	cases   string
	peers   string
	logs    string
	tenfold builds
	idle    int
	json    bool
	noWrk   bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each proxy per case")
	flag.DurationVar(&o.window, "window", 2*time.Second, "duration of one measurement; wrk needs whole seconds")
	flag.StringVar(&o.cases, "cases", "", "comma-separated cases: "+strings.Join(caseNames(), ",")+" (default all)")
	flag.StringVar(&o.peers, "peers", "", "comma-separated proxies: tenfold,nginx,haproxy,caddy (default all)")
	flag.StringVar(&o.logs, "logs", "off,on", "access logs: off, on or off,on")
	flag.Var(&o.tenfold, "tenfold", "[NAME=]FILE: a tenfold binary to measure; may be repeated (default: built from "+
		"this source)")
	flag.IntVar(&o.idle, "idle", 0, "measure only the memory with this many idle keep-alive connections")
	flag.BoolVar(&o.json, "json", false, "print one JSON document instead of the table")
	flag.BoolVar(&o.noWrk, "no-wrk", false, "use the built-in generator even if wrk is installed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := pinSelf(); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		proxyCore, otherCore = -1, -1
	}
	runtime.GOMAXPROCS(1) // the backend and the built-in generator share one core
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		stop()
		os.Exit(1)
	}
}

// run makes one benchmark. It writes the results to stdout and its progress to stderr.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	cases, err := chooseCases(o.cases)
	if err != nil {
		return err
	}
	for _, kind := range o.kindsOfLogging() {
		if kind != "off" && kind != "on" {
			return fmt.Errorf("--logs %q: want off, on or off,on", o.logs)
		}
	}
	if o.rounds < 1 || o.window <= 0 {
		return errors.New("--rounds and --window: want more than 0")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout(len(cases)))
	defer cancel()
	dir, err := os.MkdirTemp("", "bench-proxy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the workers of nginx run as another user if root starts it
		return err
	}
	back, err := startBackend()
	if err != nil {
		return err
	}
	defer back.Close()
	r := &report{Cores: coresText(), Window: o.window.String(), Rounds: o.rounds}
	running, err := startProxies(ctx, o, dir, back.Addr(), r, stderr)
	defer running.stop()
	if err != nil {
		return err
	}
	if o.idle > 0 {
		err = r.measureIdle(ctx, o, running, stderr)
	} else {
		err = r.measureLoad(ctx, o, cases, running, dir, stderr)
	}
	if err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(stdout)
	}
	return r.writeTable(stdout)
}

// timeout returns an upper bound for the whole run, so that a hanging proxy cannot block a CI build.
func (o options) timeout(cases int) time.Duration {
	if o.idle > 0 {
		return 5 * time.Minute
	}
	each := max(time.Second, o.window) + 3*time.Second
	return 5*time.Minute + time.Duration((o.rounds+1)*cases*2*(4+len(o.tenfold)))*each
}

// builds is the value of the flag --tenfold.
type builds []build

type build struct{ name, file string }

func (b *builds) String() string { return "" }

func (b *builds) Set(s string) error {
	name, file, named := strings.Cut(s, "=")
	if !named {
		name, file = "tenfold", s
	}
	if name == "" || file == "" {
		return errors.New("want FILE or NAME=FILE")
	}
	*b = append(*b, build{name, file})
	return nil
}
