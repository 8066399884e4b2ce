package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/server"
)

type demoCmd struct {
	Listen string `default:":8080" placeholder:"ADDR" help:"Address of the gateway; default :8080."`
	Admin  string `default:"127.0.0.1:9090" placeholder:"ADDR" help:"Admin address, or off; default 127.0.0.1:9090."`
	Nodes  string `default:"3" placeholder:"N" help:"Nodes of the shop; default 3."`
	State  string `enum:"shared,memory" default:"shared" placeholder:"shared|memory" help:"Where the shop keeps its state; default shared. With memory, see what goes wrong."`
	Access string `enum:"on,off" default:"off" placeholder:"on|off" help:"Log a record per request; default off."`
}

// Help says what there is to see.
func (demoCmd) Help() string {
	return `
Runs the example shop: three processes behind one address, carts in a shared Redis, orders in SQLite. Kill a node, restart
them all, or start it with --state memory to see how a shop loses its customers' carts.
`
}

func (cmd demoCmd) Run(t *terminal) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find tenfold's own program: %w", err)
	}
	dir, err := os.MkdirTemp("", "tenfold-demo-")
	if err != nil {
		return fmt.Errorf("make a place for the demo's database: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg, err := config.Command([]string{self, "shop", "serve", "--state", cmd.State, "--db", filepath.Join(dir, "shop.db")}, cmd.Nodes)
	if err != nil {
		return usageError(err, "for example: tenfold demo --nodes 3")
	}
	s := &cfg.Services[0]
	s.Name, s.Dir = "shop", dir
	s.Probe.Path, s.Probe.Status = "/readyz", []config.StatusRange{{From: 200, To: 299}}
	cfg.Routes[0].To = s.Name
	if err := cfg.Override(config.Overrides{Listen: []string{cmd.Listen}, Admin: cmd.Admin}); err != nil {
		return usageError(err, "")
	}
	begun := time.Now()
	return serve(t, cfg, serveOptions{
		log: "text", access: cmd.Access == "on",
		opened: func(*server.Server) { fmt.Fprintf(t.stderr, "starting %s nodes of the shop ...\n", cmd.Nodes) },
		ready:  func(s *server.Server) { cmd.announce(t.stderr, s, time.Since(begun)) },
	})
}

// announce says what to try.
func (cmd demoCmd) announce(w io.Writer, s *server.Server, took time.Duration) {
	url, admin := s.URLs()[0], ""
	if a := s.AdminAddr(); a != nil && a.String() != "127.0.0.1:9090" {
		admin = " --admin " + a.String()
	}
	fmt.Fprintf(w, `
After %.1[5]f s the shop is on %[1]s
%[2]s nodes behind one address, store: %[3]s.
Its footer says which node answered; reload it. Then, in another terminal:

  tenfold status%[4]s
      every node, its requests and its process
  kill -9 PID
      one of those processes: no request fails, a new node comes
  tenfold restart shop%[4]s
      all nodes are replaced while you shop

Ctrl-C stops everything and leaves nothing behind.

`, url, cmd.Nodes, s.DescribeStore(), admin, took.Seconds())
}
