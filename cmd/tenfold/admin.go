package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// adminFlags are how a verb finds the tenfold that it speaks to.
type adminFlags struct {
	Admin string `env:"TENFOLD_ADMIN" default:"127.0.0.1:9090" placeholder:"ADDR" help:"Admin address of the running tenfold ($$TENFOLD_ADMIN)."`
	Token string `env:"TENFOLD_ADMIN_TOKEN" placeholder:"TOKEN" help:"Its token, where it wants one ($$TENFOLD_ADMIN_TOKEN)."`
}

// call asks the console. A body or result of nil is none.
func (f adminFlags) call(ctx context.Context, method, path string, body, result any) error {
	base := f.Admin
	if !strings.Contains(base, "://") {
		if strings.HasPrefix(base, ":") {
			base = "127.0.0.1" + base
		}
		base = "http://" + base
	}
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, &payload)
	if err != nil {
		return usageError(fmt.Errorf("admin address %q: %w", f.Admin, err), "host:port, for example 127.0.0.1:9090")
	}
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
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
		return refused(f.Admin, resp.StatusCode, answer)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return hinted(fmt.Errorf("read answer of %s: %w", f.Admin, err), "is that the admin address of a tenfold, of the same version?")
	}
	return nil
}

func refused(admin string, status int, answer []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Error == "" {
		return hinted(fmt.Errorf("%s answered %d %s", admin, status, http.StatusText(status)), "is that the admin address of a tenfold?")
	}
	switch status {
	case http.StatusUnauthorized:
		return hinted(errors.New(said.Error), "--token or TENFOLD_ADMIN_TOKEN")
	case http.StatusNotFound:
		return hinted(errors.New(said.Error), "tenfold status shows services and nodes")
	}
	return errors.New(said.Error)
}

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
	Nodes   int    `arg:"" help:"How many nodes it shall have, within its nodes: MIN..MAX."`
}

func (cmd scaleCmd) Run(t *terminal) error {
	body := map[string]int{"nodes": cmd.Nodes}
	if err := cmd.call(t.ctx, http.MethodPost, "/api/services/"+url.PathEscape(cmd.Service)+"/scale", body, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "%s goes to %s\n", cmd.Service, count(cmd.Nodes, "node"))
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
