package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/tenfold-go/tenfold/internal/journey"
	"github.com/tenfold-go/tenfold/internal/load"
)

// loadWork is the load that the flags describe.
type loadWork struct {
	url       load.URL
	requests  []*http.Request // one of each kind, to find their routes
	generator *load.Generator
	check     func(context.Context) (note string, err error) // makes one visit of each kind before the load
}

// workload returns the load of the journey file or of the URL.
func (cmd loadCmd) workload(o *load.Options) (*loadWork, error) {
	if isJourney(cmd.Target) {
		return cmd.journey(o, cmd.Base)
	}
	if cmd.Base != "" {
		return nil, usageError(errors.New("--target is only for journeys"), "tenfold load journey.yaml --target "+cmd.Base)
	}
	target, err := cmd.target()
	if err != nil {
		return nil, usageError(err, "")
	}
	g, err := load.New(target, o)
	if err != nil {
		return nil, usageError(err, "")
	}
	u, err := load.ParseURL(cmd.Target)
	check := func(ctx context.Context) (note string, err error) {
		status, err := target.Check(ctx, o)
		if err == nil && status >= 400 {
			note = fmt.Sprintf("the target answered with status %d, which counts as an error", status)
		}
		return note, err
	}
	return &loadWork{u, []*http.Request{target.Request(context.Background())}, g, check}, err
}

// isAddress reports whether the target is a URL or a unix socket.
func isAddress(target string) bool {
	return strings.Contains(target, "://") || strings.HasPrefix(target, "unix:")
}

// isJourney reports whether the target is a journey file.
func isJourney(target string) bool {
	return !isAddress(target) && (strings.HasSuffix(target, ".yaml") || strings.HasSuffix(target, ".yml"))
}

func (cmd loadCmd) journey(o *load.Options, base string) (*loadWork, error) {
	if cmd.Method != "" || cmd.Body != "" || len(cmd.Header) > 0 {
		return nil, usageError(errors.New("--method, --body and --header are only for a URL"),
			"set them in the steps of the journey")
	}
	j, err := journey.Load(cmd.Target)
	if err != nil {
		return nil, usageError(err, "")
	}
	base = cmp.Or(base, j.Target)
	if base == "" {
		return nil, usageError(fmt.Errorf("%s names no target", cmd.Target),
			"use --target http://localhost:8080, or target: in the file")
	}
	u, err := load.ParseURL(base)
	if err != nil {
		return nil, usageError(err, "")
	}
	g, err := load.NewJourney(j, base, o)
	if err != nil {
		return nil, usageError(err, "")
	}
	check := func(ctx context.Context) (string, error) { return "", load.CheckJourney(ctx, j, base, o) }
	return &loadWork{u, requestsOf(j, u), g, check}, nil
}

// requestsOf returns an example of each step of a journey.
func requestsOf(j *journey.Journey, base load.URL) (all []*http.Request) {
	for _, v := range j.Visitors {
		for _, s := range v.Steps {
			if r := s.Example(base.URL); r != nil {
				all = append(all, r)
			}
		}
	}
	return all
}

// maxBody is the largest request body in bytes.
const maxBody = 16 << 20

// target returns the request that the flags describe.
func (cmd loadCmd) target() (*load.Target, error) {
	header := http.Header{}
	for _, h := range cmd.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("header %q: want NAME: VALUE", h)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	body := []byte(cmd.Body)
	if file, ok := strings.CutPrefix(cmd.Body, "@"); ok {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if body, err = io.ReadAll(io.LimitReader(f, maxBody+1)); err != nil {
			return nil, err
		}
		if len(body) > maxBody {
			return nil, fmt.Errorf("body %s: larger than 16 MiB", file)
		}
	}
	return load.NewTarget(cmd.Target, cmd.Method, header, body)
}

// checkHost refuses a public address without --yes: load on the wrong host is an attack.
func (cmd loadCmd) checkHost(ctx context.Context, u load.URL) error {
	if cmd.Yes {
		return nil
	}
	if a := load.Public(ctx, u); a != "" {
		return usageError(fmt.Errorf("%s is a public address (%s)", u.Host, a), "add --yes if you may load it")
	}
	return nil
}
