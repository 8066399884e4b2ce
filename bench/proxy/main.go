//go:build linux

// Command proxy measures tenfold beside nginx, HAProxy and Caddy as reverse proxies for HTTP/1.1, in one run:
//
//	go run ./bench/proxy
//	go run ./bench/proxy --rounds 3 --cases small,16KiB --peers tenfold,nginx
//	go run ./bench/proxy --tenfold old=/tmp/old --tenfold new=/tmp/new     # two builds beside each other
//	go run ./bench/proxy --idle 10000
//
// Each proxy is pinned to one core, and a backend that does next to nothing and the load generator share another one. The
// proxies take turns: every round measures each of them once, so that a noisy moment of the machine hits all alike. The
// figure that counts is the CPU time of the proxy's processes, user and system, per request: unlike throughput and latency,
// it depends little on what else the machine does. Every proxy runs twice, with its access log off
// and with a log to a file. The configurations are the *.conf files here; a proxy that is not installed is named as missing.
//
// The load is closed: so many connections, each sending its next request when the last one is answered. So the latencies
// are those at saturation, and say nothing of a service at a moderate load.
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

// options are the flags.
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
	flag.IntVar(&o.rounds, "rounds", 5, "how often each proxy is measured per case")
	flag.DurationVar(&o.window, "window", 2*time.Second, "how long one measurement takes; wrk wants whole seconds")
	flag.StringVar(&o.cases, "cases", "", "some of the cases: "+strings.Join(caseNames(), ",")+" (default all)")
	flag.StringVar(&o.peers, "peers", "", "some of the proxies: tenfold,nginx,haproxy,caddy (default all)")
	flag.StringVar(&o.logs, "logs", "off,on", "with access logs off, on, or both")
	flag.Var(&o.tenfold, "tenfold", "[NAME=]FILE: a tenfold binary to measure; may be repeated (default: built from this source)")
	flag.IntVar(&o.idle, "idle", 0, "measure memory with this many idle keep-alive connections, and nothing else")
	flag.BoolVar(&o.json, "json", false, "print one JSON document in place of the table")
	flag.BoolVar(&o.noWrk, "no-wrk", false, "use the built-in generator though wrk is installed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := pinSelf(); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		proxyCore, otherCore = -1, -1
	}
	runtime.GOMAXPROCS(1) // the backend and the built-in generator have one core
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		stop()
		os.Exit(1)
	}
}

// run is one benchmark: the results go to stdout, what happens meanwhile to stderr.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	cases, err := chooseCases(o.cases)
	if err != nil {
		return err
	}
	for _, kind := range o.kindsOfLogging() {
		if kind != "off" && kind != "on" {
			return fmt.Errorf("--logs takes off, on or off,on, not %q", o.logs)
		}
	}
	if o.rounds < 1 || o.window <= 0 {
		return errors.New("--rounds and --window must be positive")
	}
	ctx, cancel := context.WithTimeout(ctx, o.longest(len(cases)))
	defer cancel()
	dir, err := os.MkdirTemp("", "bench-proxy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // nginx started by root works as another user
		return err
	}
	back, err := startBackend()
	if err != nil {
		return err
	}
	defer back.Close()
	r := &report{Cores: coresText(), Window: o.window.String(), Rounds: o.rounds}
	fleet, err := startProxies(ctx, o, dir, back.Addr(), r, stderr)
	defer fleet.stop()
	if err != nil {
		return err
	}
	if o.idle > 0 {
		err = r.measureIdle(ctx, o, fleet, stderr)
	} else {
		err = r.measureLoad(ctx, o, cases, fleet, dir, stderr)
	}
	if err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(stdout)
	}
	return r.writeTable(stdout)
}

// longest is a generous bound for a whole run: nothing here may hang a build.
func (o options) longest(cases int) time.Duration {
	if o.idle > 0 {
		return 5 * time.Minute
	}
	each := max(time.Second, o.window) + 3*time.Second
	return 5*time.Minute + time.Duration((o.rounds+1)*cases*2*(4+len(o.tenfold)))*each
}

// builds is the --tenfold flag.
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
