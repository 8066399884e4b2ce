//go:build linux

package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed *.conf
var configs embed.FS

// peer is a proxy that can be measured.
type peer struct {
	name    string
	program string                                   // name on PATH, or a file
	config  string                                   // file name of the template
	args    func(config string, log string) []string // arguments that run it in the foreground
	version []string                                 // arguments that make it print its version
	logsTo  int                                      // 1 or 2 if it logs to that descriptor, 0 if it logs to a file
}

// allPeers returns the peers other than tenfold.
func allPeers() []peer {
	return []peer{
		{name: "nginx", program: "nginx", config: "nginx.conf", version: []string{"-v"},
			args: func(config, _ string) []string { return []string{"-e", "stderr", "-c", config} }},
		{name: "haproxy", program: "haproxy", config: "haproxy.conf", version: []string{"-v"}, logsTo: 1,
			args: func(config, _ string) []string { return []string{"-db", "-f", config} }},
		{name: "caddy", program: "caddy", config: "caddy.conf", version: []string{"version"},
			args: func(config, _ string) []string {
				return []string{"run", "--adapter", "caddyfile", "--config",
					config}
			}},
	}
}

// tenfoldPeer returns the peer of a build. It logs to standard error, as in production.
func tenfoldPeer(b build) peer {
	return peer{name: b.name, program: b.file, config: "tenfold.conf", version: []string{"version"}, logsTo: 2,
		args: func(config, log string) []string {
			return []string{"up", "-f", config, "--log", "json", "--access", onOff(log != "")}
		}}
}

// missing is a peer that could not be measured.
type missing struct {
	Proxy string `json:"proxy"`
	Why   string `json:"why"`
}

// startProxies starts all installed peers, without and with an access log, and adds the others to r.Missing. The caller
// must stop the returned proxies, also after an error.
func startProxies(ctx context.Context, o options, dir, backend string, r *report, stderr io.Writer) (running proxies,
	err error) {
	peers, err := choosePeers(ctx, o, dir, stderr)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		program, err := exec.LookPath(p.program)
		if err != nil {
			r.Missing = append(r.Missing, missing{p.name, "not installed"})
			continue
		}
		p.program = program
		r.Versions = append(r.Versions, p.name+": "+versionOf(ctx, p))
		for _, logs := range o.kindsOfLogging() {
			one, err := p.start(ctx, filepath.Join(dir, p.name+"-"+logs), backend, logs == "on")
			if one != nil {
				running = append(running, one)
			}
			switch {
			case err == nil:
			case p.config == "tenfold.conf" || ctx.Err() != nil:
				return running, err // a comparison without tenfold is useless
			default:
				one.stop()
				running = running[:len(running)-1]
				r.Missing = append(r.Missing, missing{p.name, err.Error()})
			}
		}
	}
	return running, nil
}

// kindsOfLogging returns "off", "on" or both.
func (o options) kindsOfLogging() []string {
	if o.idle > 0 {
		return []string{"off"}
	}
	return strings.Split(o.logs, ",")
}

// choosePeers returns the peers that the flags select, with tenfold first.
func choosePeers(ctx context.Context, o options, dir string, stderr io.Writer) (peers []peer, err error) {
	wanted := func(name string) bool { return o.peers == "" || slices.Contains(strings.Split(o.peers, ","), name) }
	if wanted("tenfold") {
		bins := o.tenfold
		if len(bins) == 0 {
			fmt.Fprintln(stderr, "building tenfold")
			file, err := buildTenfold(ctx, dir)
			if err != nil {
				return nil, err
			}
			bins = builds{{"tenfold", file}}
		}
		for _, b := range bins {
			peers = append(peers, tenfoldPeer(b))
		}
	}
	for _, p := range allPeers() {
		if wanted(p.name) {
			peers = append(peers, p)
		}
	}
	if len(peers) == 0 {
		return nil, fmt.Errorf("--peers %q: want some of tenfold,nginx,haproxy,caddy", o.peers)
	}
	return peers, nil
}

// buildTenfold builds the binary from this source.
func buildTenfold(ctx context.Context, dir string) (file string, err error) {
	file = filepath.Join(dir, "tenfold")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", file,
		"github.com/tenfold-go/tenfold/cmd/tenfold").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build tenfold: %w\n%s", err, out)
	}
	return file, nil
}

// versionOf returns the first line of the version that the peer prints.
func versionOf(ctx context.Context, p peer) string {
	out, err := exec.CommandContext(ctx, p.program, p.version...).CombinedOutput()
	if err != nil {
		return "unknown version"
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first
}

// settings are the values for the configuration templates.
type settings struct {
	Dir         string
	Listen      string // host:port
	Backend     string
	Log         string // file of the access log; "" means no log
	Connections int    // the most that the proxy has open at a time
	Files       int    // file descriptors for these connections
}

// Port returns the port of Listen.
func (s settings) Port() string {
	_, port, _ := net.SplitHostPort(s.Listen)
	return port
}

// write writes a configuration file to s.Dir and returns its name.
func (s settings) write(name string) (string, error) {
	text, err := template.ParseFS(configs, name)
	if err != nil {
		return "", err
	}
	file := filepath.Join(s.Dir, name)
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return file, text.Execute(f, s)
}

// freeAddress returns an unused loopback address.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
