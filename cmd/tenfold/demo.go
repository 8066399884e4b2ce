package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/server"
)

// fleetFile is the file in the directory of the demo that tells the shop where the admin API is.
const fleetFile = "admin-url"

type demoCmd struct {
	Listen string `default:":8080" placeholder:"ADDR" help:"Address of the gateway; default :8080."`
	Admin  string `placeholder:"ADDR" help:"Admin address, or off; default 127.0.0.1:9090, or a free port when that one is taken."`
	Nodes  string `default:"3" placeholder:"N" help:"Nodes of the shop; default 3."`
	State  string `enum:"shared,memory" default:"shared" placeholder:"shared|memory" help:"Where the shop keeps its state; default shared. With memory, visitors lose their carts."`
	Log    string `enum:"auto,text,json" default:"text" placeholder:"auto|text|json" help:"How to log; default text."`
	Access string `enum:"on,off" default:"off" placeholder:"on|off" help:"Log a record per request; default off."`
}

// Help is the text below the summary.
func (demoCmd) Help() string {
	return `
Runs the example shop: three processes behind one address, with carts in a shared Redis and orders in SQLite. Kill a node, or
restart all of them: the shop keeps its carts. Start it with --state memory to see how a shop loses them.
`
}

func (cmd demoCmd) Run(ctx context.Context, t *terminal) error {
	return withDiagnostics(ctx, t, logFlags{format: cmd.Log, people: true}, func(ctx context.Context, d *diagnostics) error {
		return cmd.serve(ctx, t, d)
	})
}

func (cmd demoCmd) serve(ctx context.Context, t *terminal, d *diagnostics) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program of this process: %w", err)
	}
	dir, err := os.MkdirTemp("", "tenfold-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the database of the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg, err := config.Command([]string{
		self, "shop", "serve", "--state", cmd.State, "--db", filepath.Join(dir, "shop.db"), "--fleet-file", filepath.Join(dir, fleetFile),
	}, &config.CommandOptions{Nodes: cmd.Nodes, EnvFile: "off"})
	if err != nil {
		return usageError(err, "for example: tenfold demo --nodes 3")
	}
	s := &cfg.Services[0]
	s.Name, s.Dir = "shop", dir
	s.Probe.Path, s.Probe.Status = "/readyz", []config.StatusRange{{From: 200, To: 299}}
	cfg.Routes[0].To = s.Name
	if err := cfg.Override(config.Overrides{Listen: []string{cmd.Listen}, Admin: cmd.Admin, Access: cmd.Access}); err != nil {
		return usageError(err, "")
	}
	record, err := newRecord("", s.Name)
	if err != nil {
		return err
	}
	record.Directory = "/" // so that the verbs find the demo from any directory
	started := time.Now()
	return serve(ctx, t, cfg, serveOptions{
		logs: d.Logs, record: record,
		opened: func(s *server.Server) {
			tellShop(filepath.Join(dir, fleetFile), s, d.Record())
			if d.onlyJSON {
				d.started(cfg, s)
			} else {
				fmt.Fprintf(d.Stderr, "starting %s nodes of the shop ...\n", cmd.Nodes)
			}
		},
		ready: func(s *server.Server) {
			if d.onlyJSON {
				d.ready(s, time.Since(started))
			} else {
				cmd.announce(d.Stderr, s, time.Since(started))
			}
		},
	})
}

// tellShop writes the URL of the admin API to a file that the shop reads. Without it, the shop works and does not show
// the fleet.
func tellShop(file string, s *server.Server, log *slog.Logger) {
	a := s.AdminAddr()
	if a == nil {
		return
	}
	if err := os.WriteFile(file, []byte("http://"+a.String()), 0o600); err != nil {
		log.Warn("the shop will not show its nodes", "err", err)
	}
}

// announce prints the address of the shop and what to try.
func (cmd demoCmd) announce(w io.Writer, s *server.Server, took time.Duration) {
	url, admin := s.URLs()[0], ""
	if a := s.AdminAddr(); a != nil && a.String() != "127.0.0.1:9090" {
		admin = " --admin " + a.String()
	}
	fmt.Fprintf(w, `
After %.1[5]f s the shop is on %[1]s
%[2]s nodes behind one address, store: %[3]s.
The top of its page shows the nodes, and which one made the page. Reload it. Then, in another terminal:

  tenfold status%[4]s
      shows every node, its requests and its process
  kill -9 PID
      kills one of these processes: no request fails, and a new node starts
  tenfold restart shop%[4]s
      replaces all nodes while you shop

To see how a shop that keeps its state in memory loses carts and logins: tenfold demo --state memory

Ctrl-C stops everything. No process and no file is left.

`, url, cmd.Nodes, s.DescribeStore(), admin, took.Seconds())
}
