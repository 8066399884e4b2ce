package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// adminFlags are how a verb finds the tenfold that it speaks to.
type adminFlags struct {
	Admin string `env:"TENFOLD_ADMIN" default:"127.0.0.1:9090" placeholder:"ADDR" help:"Admin address of the running tenfold, default 127.0.0.1:9090."`
	Token string `env:"TENFOLD_ADMIN_TOKEN" placeholder:"TOKEN" help:"Its token, where it wants one."`
}

// call asks the console. A body or result of nil is none.
func (f adminFlags) call(ctx context.Context, method, path string, body, result any) error {
	base, err := f.base()
	if err != nil {
		return usageError(fmt.Errorf("admin address %q: %w", f.Admin, err), "host:port, for example 127.0.0.1:9090; tenfold up says it when it starts")
	}
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, &payload)
	if err != nil {
		return err
	}
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return hinted(errors.New("interrupted"), "what the running tenfold has begun goes on: tenfold status shows it")
	case err != nil:
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return hinted(fmt.Errorf("reach tenfold at %s: %w", f.Admin, err), "is tenfold up running? Its admin address goes into --admin or TENFOLD_ADMIN")
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", f.Admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		return f.refused(resp.StatusCode, answer)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return hinted(fmt.Errorf("read answer of %s: %w", f.Admin, err), "is that the admin address of a tenfold, of the same version?")
	}
	return nil
}

// base is the admin address as a URL. One with a scheme of its own leads through a proxy that speaks TLS.
func (f adminFlags) base() (string, error) {
	if strings.Contains(f.Admin, "://") {
		if _, err := url.Parse(f.Admin); err != nil {
			return "", err.(*url.Error).Err
		}
		return strings.TrimSuffix(f.Admin, "/"), nil
	}
	host, port, err := net.SplitHostPort(f.Admin)
	if err != nil || port == "" || strings.ContainsAny(host, " /?#") {
		return "", errors.New("it is not host:port")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// refused says why the console did not do it.
func (f adminFlags) refused(status int, answer []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Error == "" {
		return hinted(fmt.Errorf("%s answered %d %s", f.Admin, status, http.StatusText(status)), "is that the admin address of a tenfold?")
	}
	switch status {
	case http.StatusUnauthorized:
		what := "wants a token"
		if f.Token != "" {
			what = "does not accept this token"
		}
		return hinted(fmt.Errorf("tenfold at %s %s", f.Admin, what), "the one of admin: {token: ...} in its file; set TENFOLD_ADMIN_TOKEN, or --token")
	case http.StatusNotFound:
		return hinted(errors.New(said.Error), "tenfold status shows services and nodes")
	case http.StatusConflict:
		return conflict(said.Error)
	}
	return errors.New(said.Error)
}

// conflict is what cannot be done now, or not to this service.
type conflict string

func (c conflict) Error() string { return string(c) }

type restartCmd struct {
	adminFlags
	Service string `arg:"" help:"Service to restart."`
}

// Help says what happens.
func (restartCmd) Help() string {
	return "\nReplaces the nodes one after the other: a new one is ready before an old one stops, and the old one finishes its requests\nfirst. Returns when all are replaced; stops at the first that does not become ready, with the old ones still running.\n"
}

func (cmd restartCmd) Run(t *terminal) error {
	if err := cmd.call(t.ctx, http.MethodPost, "/api/services/"+url.PathEscape(cmd.Service)+"/restart", nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "all nodes of %s are new\n", cmd.Service)
	return err
}

type scaleCmd struct {
	adminFlags
	Service string `arg:"" help:"Service to scale."`
	Nodes   number `arg:"" help:"How many nodes it shall have, within the MIN..MAX that it was started with."`
}

// Help says what happens.
func (scaleCmd) Help() string {
	return "\nReturns at once; nodes are started, or drained and stopped, until there are as many. The range is that of nodes: MIN..MAX in\nthe file, or of tenfold up --nodes MIN..MAX.\n"
}

// number is a whole number that says in plain words when it is none.
type number int

func (n *number) UnmarshalText(text []byte) error {
	v, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a number", text)
	}
	*n = number(v)
	return nil
}

func (cmd scaleCmd) Run(t *terminal) error {
	body := map[string]number{"nodes": cmd.Nodes}
	if err := cmd.call(t.ctx, http.MethodPost, "/api/services/"+url.PathEscape(cmd.Service)+"/scale", body, nil); err != nil {
		if c := conflict(""); errors.As(err, &c) {
			err = hinted(err, "it keeps the MIN..MAX that it was started with: nodes: MIN..MAX in the file, or tenfold up --nodes MIN..MAX")
		}
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "%s goes to %s\n", cmd.Service, report.Count(int(cmd.Nodes), "node"))
	return err
}

type drainCmd struct {
	adminFlags
	Node string `arg:"" help:"Node to drain, for example shop-3."`
}

// Help says what happens.
func (drainCmd) Help() string {
	return "\nA replacement is started first; once it is ready, the node gets no new requests, finishes the old ones and is stopped. A node\nthat tenfold did not start is only taken out. Returns when the node is gone.\n"
}

func (cmd drainCmd) Run(t *terminal) error {
	if err := cmd.call(t.ctx, http.MethodPost, "/api/nodes/"+url.PathEscape(cmd.Node)+"/drain", nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "%s is drained\n", cmd.Node)
	return err
}
