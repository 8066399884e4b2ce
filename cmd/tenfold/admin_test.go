package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/status"
)

// TestAdminTokenIsAskedFor calls a verb without the token that the admin address wants, and with a wrong one.
func TestAdminTokenIsAskedFor(t *testing.T) {
	c := console.New(config.Admin{Listen: "127.0.0.1:0", Token: "s3cret"}, status.New(&config.Config{}, nil, nil, nil), nil, http.NotFoundHandler(), nil)
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	address := c.Addr().String()
	for _, x := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitError, "tenfold: tenfold at " + address + " wants a token\nhint: run this verb as the user that runs tenfold, or use the token of admin: {token: ...} in its file: set TENFOLD_ADMIN_TOKEN, or --token\n"},
		{[]string{"--token", "guess"}, exitError, "tenfold: tenfold at " + address + " does not accept this token\nhint: use the token of admin"},
	} {
		var out, errs strings.Builder
		term := &terminal{stdout: &out, stderr: &errs}
		code := run(t.Context(), term, append([]string{"restart", "shop", "--admin", address}, x.args...))
		if code != x.code || !strings.HasPrefix(errs.String(), x.says) {
			t.Errorf("restart %v: %d %q; want %d %q", x.args, code, &errs, x.code, x.says)
		}
	}
	if err := (adminFlags{Admin: address, Token: "s3cret"}).get(t.Context(), "/api/routes", new([]status.Route)); err != nil {
		t.Errorf("with the token: %v", err)
	}
}

// TestAdminInterrupted is Ctrl-C during a restart.
func TestAdminInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}))
	defer server.Close()
	var out, errs strings.Builder
	code := run(ctx, &terminal{stdout: &out, stderr: &errs}, []string{"restart", "shop", "--admin", server.URL})
	want := "tenfold: interrupted\nhint: the running tenfold finishes what it has begun: tenfold status shows it\n"
	if code != exitError || errs.String() != want || out.String() != "" {
		t.Errorf("%d %q %q; want %q", code, &out, &errs, want)
	}
}

func TestAdminAddresses(t *testing.T) {
	for _, x := range []struct{ admin, want string }{
		{"127.0.0.1:9090", "http://127.0.0.1:9090"},
		{":9090", "http://127.0.0.1:9090"},
		{"[::1]:9090", "http://[::1]:9090"},
		{"admin.internal:9090", "http://admin.internal:9090"},
		{"https://admin.internal/", "https://admin.internal"},
		{"9090", "http://127.0.0.1:9090"},
		{"off", ""}, {"90900", ""}, {"127.0.0.1", ""}, {"127.0.0.1:", ""}, {"", ""}, {"a b:1", ""}, {"http://a b", ""},
	} {
		got, err := adminFlags{Admin: x.admin}.base()
		if got != x.want || (err == nil) != (x.want != "") {
			t.Errorf("%q: %q, %v; want %q", x.admin, got, err, x.want)
		}
	}
}
