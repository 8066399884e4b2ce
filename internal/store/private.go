package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// private is a server of our own, on loopback, with a random password, in memory alone: what it holds ends with us.
type private struct {
	program  string
	start    func(ctx context.Context, id string, argv []string) (Process, error)
	log      *slog.Logger
	address  string
	password string
	process  Process
	starts   int
}

const (
	startPatience = 10 * time.Second
	stopPatience  = 5 * time.Second
	restartPause  = 200 * time.Millisecond
)

func (p *private) open(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a port for the store: %w", err)
	}
	p.address = l.Addr().String()
	l.Close()
	p.password = rand.Text()
	return p.launch(ctx)
}

// launch starts the server and waits until it answers. The password travels in a file that only we can read, and that is
// gone once the server has read it: a command line is public.
func (p *private) launch(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tenfold-store-")
	if err != nil {
		return fmt.Errorf("configure store: %w", err)
	}
	defer os.RemoveAll(dir)
	file, logFile := filepath.Join(dir, "store.conf"), filepath.Join(dir, "store.log")
	host, port, _ := net.SplitHostPort(p.address)
	// Its log is read only if it does not start: what it says of itself at each start would bury what nodes say.
	config := fmt.Sprintf("bind %s\nport %s\nrequirepass %s\nsave \"\"\nappendonly no\ndaemonize no\nlogfile %q\n", host, port, p.password, logFile)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return fmt.Errorf("configure store: %w", err)
	}
	p.starts++
	// The id of a node has no dot: a node of a service with the name store has another id.
	process, err := p.start(ctx, fmt.Sprintf("store.%d", p.starts), []string{p.program, file})
	if err != nil {
		return fmt.Errorf("start store: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := ping(ctx, rueidis.ClientOption{InitAddress: []string{p.address}, Password: p.password})
		if err == nil {
			p.process = process
			return nil
		}
		select {
		case <-process.Done():
			return fmt.Errorf("start store %s: it ended: %w%s", p.program, process.Err(), lastWords(logFile))
		case <-ctx.Done():
			p.stop(process)
			return fmt.Errorf("start store %s: it does not answer: %w", p.program, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// run replaces the server when it ends. Nodes find the new one at the same address; what the old one held is lost.
func (p *private) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			p.stop(p.process)
			return nil
		case <-p.process.Done():
		}
		p.log.Error("the private store ended: its data is lost, starting a new one", "err", p.process.Err())
		for p.launch(ctx) != nil {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(restartPause):
			}
		}
	}
}

// lastWords is the end of a log, to stand behind an error.
func lastWords(file string) string {
	text, err := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\n  " + strings.Join(lines[max(0, len(lines)-5):], "\n  ")
}

func (p *private) stop(process Process) {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	process.Stop(ctx)
}

func (p *private) url() string { return fmt.Sprintf("redis://:%s@%s/0", p.password, p.address) }
func (p *private) describe() string {
	return fmt.Sprintf("private %s, in memory", filepath.Base(p.program))
}
