package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/runfile"
	"github.com/tenfold-go/tenfold/internal/server"
)

// published is the runtime file of this process, by which other verbs find it.
type published struct {
	file *runfile.File
	log  *slog.Logger

	mu     sync.Mutex // held while the file is written
	record runfile.Record
}

// newRecord describes a tenfold that runs a file ("" for a command line, "-" for standard input), before it has addresses.
func newRecord(file, name string) (*runfile.Record, error) {
	dir, err := workingDir()
	if err != nil {
		return nil, err
	}
	r := &runfile.Record{Directory: dir, StartedIn: dir, File: file, Name: name}
	if file != "" && file != "-" {
		if r.File, err = absolute(file); err != nil {
			return nil, err
		}
		r.Directory = filepath.Dir(r.File)
	}
	if r.Name == "" {
		r.Name = filepath.Base(r.Directory)
	}
	return r, nil
}

// workingDir returns the working directory, without links in its path: two terminals can name it differently.
func workingDir() (string, error) { return absolute(".") }

func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find working directory: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	return path, nil
}

// publish writes the runtime file when the addresses of s are open, in the place of that of a former process; 0 for none.
// Without the file, tenfold works, but the other verbs need --admin.
func publish(r runfile.Record, s *server.Server, token string, former int, log *slog.Logger) *published {
	r.PID, r.Token, r.Started = os.Getpid(), token, time.Now()
	p := &published{record: describeAddresses(r, s), log: log}
	var err error
	if p.file, err = runfile.Publish(p.record, former); err != nil {
		log.Warn("runtime file not written: other verbs find this tenfold only by --admin", "err", err)
		return nil
	}
	return p
}

// describeAddresses returns r with the addresses of s as they are now.
func describeAddresses(r runfile.Record, s *server.Server) runfile.Record {
	r.Listen, r.Store, r.Admin = s.URLs(), s.StoreURL(), ""
	if a := s.AdminAddr(); a != nil {
		r.Admin = reachable(a)
	}
	return r
}

// update writes the runtime file again after the addresses of s have changed.
func (p *published) update(s *server.Server) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.record = describeAddresses(p.record, s)
	if err := p.file.Update(p.record); err != nil {
		p.log.Warn("runtime file not updated", "err", err)
	}
}

// remove removes the runtime file.
func (p *published) remove() {
	if p == nil {
		return
	}
	if err := p.file.Remove(); err != nil {
		p.log.Warn("runtime file not removed", "err", err)
	}
}

// reachable returns an address that programs on this machine can connect to: a listener on all addresses has none.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
}

// explainTaken names the tenfold that has the address that could not be opened, if it is one of this user.
func explainTaken(err error) error {
	e := (*gateway.ListenError)(nil)
	if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &e) {
		return err
	}
	_, port, _ := net.SplitHostPort(e.Address)
	all, _ := runfile.List()
	for _, r := range all {
		for _, listen := range r.Listen {
			if u, parseErr := url.Parse(listen); parseErr == nil && u.Port() == port {
				return hinted(err, fmt.Sprintf("the tenfold of %s (pid %d) has this port: choose another one with --listen, or stop that one",
					r.Directory, r.PID))
			}
		}
	}
	return err
}
