package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// private is a server that tenfold starts: on a loopback address, with a random password, in memory only. Its data ends
// with tenfold.
type private struct {
	command  []string // a configuration file is added to it
	name     string
	start    func(ctx context.Context, id string, argv []string) (Process, error)
	log      *slog.Logger
	address  string
	password string
	process  Process

	mu     sync.Mutex // guards the fields below
	id     string     // of process
	starts int
}

// Process is a program that Options.Start has started.
type Process interface {
	Done() <-chan struct{}          // closed when it has ended
	Err() error                     // how it ended
	Stop(ctx context.Context) error // asks it to end, forces it when ctx ends, and returns when it has ended
}

const (
	startPatience = 10 * time.Second
	stopPatience  = 5 * time.Second
	restartPause  = 200 * time.Millisecond
)

func (p *private) open(ctx context.Context) error {
	switch {
	case p.process != nil: // adopted
		return nil
	case p.address != "": // adopted, but its server has ended
		return p.launch(ctx)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a port for the store: %w", err)
	}
	p.address = l.Addr().String()
	l.Close()
	p.password = rand.Text()
	return p.launch(ctx)
}

// run replaces the server when it ends. The new server has the same address. The data of the old one is lost.
func (p *private) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			p.stop(p.process)
			return nil
		case <-p.process.Done():
		}
		p.log.Error("private store ended: its data is lost, starting a new one", "err", p.process.Err())
		for p.launch(ctx) != nil {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(restartPause):
			}
		}
	}
}

// launch starts the server and waits until it answers. The password is in a file that only this user can read: a
// command line is public. launch removes the file when the server has read it.
func (p *private) launch(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tenfold-store-")
	if err != nil {
		return fmt.Errorf("configure store: %w", err)
	}
	defer os.RemoveAll(dir)
	file, logFile := filepath.Join(dir, "store.conf"), filepath.Join(dir, "store.log")
	if err := os.WriteFile(file, []byte(p.config(logFile)), 0o600); err != nil {
		return fmt.Errorf("configure store: %w", err)
	}
	id := p.nextID()
	process, err := p.start(ctx, id, append(slices.Clone(p.command), file))
	if err != nil {
		return fmt.Errorf("start store: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := ping(ctx, rueidis.ClientOption{InitAddress: []string{p.address}, Password: p.password})
		if err == nil {
			p.process = process
			p.mu.Lock()
			defer p.mu.Unlock()
			p.id = id
			return nil
		}
		select {
		case <-process.Done():
			return fmt.Errorf("start store (%s): it ended: %w%s", p.name, process.Err(), lastLines(logFile))
		case <-ctx.Done():
			p.stop(process)
			return fmt.Errorf("start store (%s): it does not answer: %w", p.name, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// nextID returns the id of the next process. The id of a node has no dot: a node of a service with the name store has
// another id.
func (p *private) nextID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts++
	return fmt.Sprintf("store.%d", p.starts)
}

// config is the configuration file of the server. Its log goes to a file that is read only when the start fails: on
// standard output, its many lines would hide those of the nodes.
func (p *private) config(logFile string) string {
	host, port, _ := net.SplitHostPort(p.address)
	return fmt.Sprintf("bind %s\nport %s\nrequirepass %s\nsave \"\"\nappendonly no\ndaemonize no\nlogfile %q\n",
		host, port, p.password, logFile)
}

// lastLines returns the end of a log file, to stand after an error.
func lastLines(file string) string {
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
	return fmt.Sprintf("private %s, in memory", p.name)
}
