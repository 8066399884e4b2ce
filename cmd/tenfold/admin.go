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
)

// adminFlags say which running tenfold a verb means, and how it is reached. Verbs call get and post, or find for its record.
type adminFlags struct {
	Admin   string `env:"TENFOLD_ADMIN" placeholder:"ADDR" help:"Admin address of the running tenfold; default: that of the tenfold that runs in this directory or in a parent of it."`
	Token   string `env:"TENFOLD_ADMIN_TOKEN" placeholder:"TOKEN" help:"Token of the admin address, if it needs one; default: that of the runtime file."`
	Project string `placeholder:"PATH" help:"Directory or file of the running tenfold; default: this directory."`
}

// get reads a JSON document of the admin API into result.
func (f adminFlags) get(ctx context.Context, path string, result any) error {
	answer, err := f.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return hinted(fmt.Errorf("read answer of %s: %w", f.Admin, err), "is that the admin address of a tenfold, of the same version?")
	}
	return nil
}

// post sends body as JSON; a nil body sends nothing. It returns when the admin API has answered.
func (f adminFlags) post(ctx context.Context, path string, body any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return err
		}
	}
	_, err := f.call(ctx, http.MethodPost, path, payload)
	return err
}

// call sends one request to the admin API and returns the body of its answer. Any status but 200 is an error.
func (f adminFlags) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	f, err := f.resolve() // here, so that an error names the address
	if err != nil {
		return nil, err
	}
	status, answer, err := f.send(ctx, method, path, body)
	if err == nil && status != http.StatusOK {
		err = f.refusal(status, answer)
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// send sends one request to the admin API, and returns the status and the body of its answer.
func (f adminFlags) send(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	resp, f, err := f.open(ctx, method, path, body)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer of %s: %w", f.Admin, err)
	}
	return resp.StatusCode, answer, nil
}

// open sends one request to the admin API. It returns the answer, whose body must be closed, and the flags with the address
// that was used.
func (f adminFlags) open(ctx context.Context, method, path string, body []byte) (*http.Response, adminFlags, error) {
	f, err := f.resolve()
	if err != nil {
		return nil, f, err
	}
	base, err := f.base()
	if err != nil {
		return nil, f, usageError(fmt.Errorf("admin address %q: %w", f.Admin, err),
			"host:port, for example 127.0.0.1:9090; tenfold up prints it when it starts")
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, f, err
	}
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, f, hinted(errors.New("interrupted"), "the running tenfold finishes what it has begun: tenfold status shows it")
	case err != nil:
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, f, hinted(fmt.Errorf("reach tenfold at %s: %w", f.Admin, err),
			"is tenfold up running? Its admin address goes into --admin or TENFOLD_ADMIN")
	}
	return resp, f, nil
}

// base returns the admin address as a URL. An address may be a URL itself, for example that of a proxy with TLS.
func (f adminFlags) base() (string, error) {
	if strings.Contains(f.Admin, "://") {
		if _, err := url.Parse(f.Admin); err != nil {
			return "", err.(*url.Error).Err
		}
		return strings.TrimSuffix(f.Admin, "/"), nil
	}
	address := f.Admin
	if _, err := strconv.ParseUint(address, 10, 16); err == nil { // a port alone
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" || strings.ContainsAny(host, " /?#") {
		return "", errors.New("not host:port")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// refusal is the error that an answer with another status than 200 stands for.
func (f adminFlags) refusal(status int, answer []byte) error {
	var document struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer, &document) != nil || document.Error == "" {
		return hinted(fmt.Errorf("%s answered %d %s", f.Admin, status, http.StatusText(status)), "is that the admin address of a tenfold?")
	}
	switch status {
	case http.StatusUnauthorized:
		hint := "use the token of admin: {token: ...} in its file: set TENFOLD_ADMIN_TOKEN, or --token"
		if f.Token != "" {
			return hinted(fmt.Errorf("tenfold at %s does not accept this token", f.Admin), hint)
		}
		return hinted(fmt.Errorf("tenfold at %s wants a token", f.Admin), "run this verb as the user that runs tenfold, or "+hint)
	case http.StatusNotFound:
		return hinted(errors.New(document.Error), "tenfold status shows services and nodes")
	case http.StatusConflict:
		return conflictError(document.Error)
	}
	return errors.New(document.Error)
}

// conflictError says that the service is not in a state for it, or not of a kind for it.
type conflictError string

func (c conflictError) Error() string { return string(c) }
