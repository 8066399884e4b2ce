package shop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitError = 1 // the command failed
	exitUsage = 2 // the command line is wrong; nothing was started
)

type commandLine struct {
	Serve serveCmd `cmd:"" help:"Serve the shop over HTTP until SIGTERM, then finish the requests in flight."`
}

// Main is the whole program as a function: arguments in, exit code out. It ends when ctx ends, after the
// requests in flight. Flags that are not given are read from the environment.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c commandLine
	exited := -1
	parser, err := kong.New(&c, kong.Name("shop"), kong.Description("A small web shop."), kong.Vars{"password": defaultPassword},
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }))
	if err != nil {
		panic(err) // a wrong struct tag: every test of Main would hit it
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help printed itself
		return exited
	}
	if err != nil {
		return report(stderr, &hinted{err, "shop serve --help shows every flag", exitUsage})
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return report(stderr, parsed.Run(slog.New(slog.NewTextHandler(stderr, nil))))
}

// report prints an error and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(w, "shop: %v\n", err)
	if h, ok := errors.AsType[*hinted](err); ok {
		fmt.Fprintf(w, "hint: %s\n", h.hint)
		return h.code
	}
	return exitError
}

// hinted is an error with a hint and an exit code.
type hinted struct {
	error
	hint string
	code int
}

func (h *hinted) Unwrap() error { return h.error }

// defaultPassword is the password of the demo admin. It is public.
const defaultPassword = "fold-it-twice"

// serveCmd is the verb serve. Its fields document its flags.
type serveCmd struct {
	Host  string `env:"HOST" default:"127.0.0.1" help:"Address to listen on."`
	Port  int    `env:"PORT" default:"8080" help:"Port to listen on, 0 for any."`
	Node  string `env:"TENFOLD_NODE" help:"Name of this copy, shown on its pages; default HOST:PORT."`
	State string `env:"SHOP_STATE" enum:"shared,memory" default:"shared" help:"Where state is kept: shared by all nodes, or in the memory of this node, where it is lost with the node."`
	DB    string `env:"SHOP_DB" name:"db" default:"shop.db" help:"SQLite file of the shared state."`
	Redis string `env:"REDIS_URL" help:"Redis URL of the shared state."`

	KeyFile       string        `env:"SHOP_KEY_FILE" help:"PEM file with the Ed25519 key that signs tokens; default: a key that is kept in the state."`
	TokenTTL      time.Duration `env:"SHOP_TOKEN_TTL" name:"token-ttl" default:"1h" help:"How long the token of a program lasts."`
	PasswordCost  int           `env:"SHOP_PASSWORD_COST" default:"10" help:"Cost of a password hash, 4 to 31; each step doubles it."`
	Admin         string        `env:"SHOP_ADMIN" default:"admin" help:"Name of the admin that a new shop gets."`
	AdminPassword string        `env:"SHOP_ADMIN_PASSWORD" default:"${password}" help:"Password of that admin."`

	FleetFile string `env:"SHOP_FLEET_FILE" help:"File with the URL of tenfold's admin API; the front page then shows the nodes."`

	PaymentLatency time.Duration `env:"SHOP_PAYMENT_LATENCY" default:"150ms" help:"How long the simulated payment provider takes."`
	PaymentLimit   int           `env:"SHOP_PAYMENT_LIMIT" default:"0" help:"Payments that this node makes at the same time, 0 for any number."`
	Drain          time.Duration `env:"SHOP_DRAIN" default:"30s" help:"How long requests may take to finish after SIGTERM."`
}

// Validate is called by the parser.
func (c *serveCmd) Validate() error {
	switch {
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("port %d is not within 0 to 65535", c.Port)
	case c.PasswordCost < 4 || c.PasswordCost > 31:
		return fmt.Errorf("password cost %d is not within 4 to 31", c.PasswordCost)
	case c.TokenTTL < time.Second:
		return fmt.Errorf("token TTL %v is shorter than a second", c.TokenTTL)
	case c.PaymentLatency < 0 || c.PaymentLimit < 0 || c.Drain < 0:
		return errors.New("payment latency, payment limit and drain cannot be negative")
	}
	return nil
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	state, err := c.openState(ctx, log)
	if err != nil {
		return err
	}
	defer state.Close()
	listener, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return &hinted{err, "another --port, or 0 for any that is free", exitError}
	}
	defer listener.Close()
	shop, err := c.openShop(ctx, state, listener.Addr().String(), log)
	if err != nil {
		return err
	}
	log.Info("shop is open", "url", "http://"+listener.Addr().String()+"/", "node", shop.node, "state", c.State)

	background, stop := context.WithCancel(context.WithoutCancel(ctx)) // ends after the last request
	running := make(chan error, 1)
	go func() { running <- state.Run(background) }()
	err = shop.serve(ctx, listener, c.Drain)
	stop()
	return errors.Join(err, <-running)
}

func (c *serveCmd) openState(ctx context.Context, log *slog.Logger) (*State, error) {
	if c.State == "memory" {
		return OpenMemory(), nil
	}
	if c.Redis == "" {
		return nil, &hinted{errors.New("shared state needs Redis, but REDIS_URL is not set"),
			"REDIS_URL=redis://127.0.0.1:6379 shop serve, or --state memory for a single node without persistent state", exitUsage}
	}
	return OpenShared(ctx, c.DB, c.Redis, log)
}

func (c *serveCmd) openShop(ctx context.Context, state *State, address string, log *slog.Logger) (*Shop, error) {
	options := Options{
		Node:         c.Node,
		TokenTTL:     c.TokenTTL,
		PasswordCost: c.PasswordCost,
		Payments:     SimulatePayments(c.PaymentLatency, c.PaymentLimit),
		Log:          log,
		FleetFile:    c.FleetFile,
	}
	if options.Node == "" {
		options.Node = address
	}
	if c.KeyFile != "" {
		var err error
		if options.Key, err = readKey(c.KeyFile); err != nil {
			return nil, &hinted{err, "openssl genpkey -algorithm ed25519 writes such a file", exitUsage}
		}
	}
	shop, err := New(state, options)
	if err != nil {
		return nil, err
	}
	if err := shop.AddAdmin(ctx, c.Admin, c.AdminPassword); err != nil {
		return nil, fmt.Errorf("add admin %q: %w", c.Admin, err)
	}
	if c.AdminPassword == defaultPassword {
		log.Warn("the admin may have the public demo password", "admin", c.Admin)
	}
	return shop, nil
}

// serve handles requests on a listener until ctx ends, and then waits at most drain for requests in flight.
func (s *Shop) serve(ctx context.Context, listener net.Listener, drain time.Duration) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than the idle timeout of a gateway, so that the gateway closes idle connections
		MaxHeaderBytes:    32 << 10,
		ConnState:         s.metrics.countConnection,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("shop is closing")
	timeout, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(timeout); err != nil {
		server.Close()
		return fmt.Errorf("requests were still running %v after the signal: %w", drain, err)
	}
	return nil
}
