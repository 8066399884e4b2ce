package server_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/server"
)

// TestMain makes this program a node when a server of the tests starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("TENFOLD_NODE") != "" {
		http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// configure returns a configuration that needs no files, ports or store.
func configure(t *testing.T, command ...string) *config.Config {
	t.Helper()
	cfg, err := config.Command(command, &config.CommandOptions{Nodes: "1"})
	if err != nil {
		t.Fatal(err)
	}
	err = cfg.Override(config.Overrides{Listen: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0", Store: "none"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestAMissingCommandIsReportedBeforeAnythingIsOpened(t *testing.T) {
	s, err := server.New(configure(t, "./no-such-command"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Open(t.Context())
	if e := (*server.CommandError)(nil); !errors.As(err, &e) || !strings.Contains(e.Hint(), "on the PATH") {
		t.Errorf("Open returned %v", err)
	}
	if s.AdminAddr() != nil || len(s.URLs()) > 0 {
		t.Errorf("Open left %v and %v open", s.AdminAddr(), s.URLs())
	}
}

func TestAWrongStoreIsAConfigError(t *testing.T) {
	cfg := configure(t, "sleep", "1")
	cfg.Store = "redis://:s3cret@host:none"
	_, err := server.New(cfg, nil)
	if e := (*server.ConfigError)(nil); !errors.As(err, &e) || e.Hint() == "" || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("New returned %v", err)
	}
}

func TestAServerRunsItsNodesUntilItsContextEnds(t *testing.T) {
	cfg := configure(t, os.Args[0])
	s, err := server.New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	if err := s.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.URLs()[0], "http://" + s.AdminAddr().String() + "/api/nodes"} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s answered %s", url, resp.Status)
		}
	}
	cancel()
	if err := <-result; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if _, err := http.Get(s.URLs()[0]); err == nil {
		t.Error("the gateway still answers after Run has returned")
	}
}
