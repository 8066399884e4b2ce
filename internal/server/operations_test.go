package server

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/status"
	"github.com/tenfold-go/tenfold/internal/succession"
)

// orders returns a server without parts, and every order of the console that changes nodes or the configuration. An order that
// is not refused panics.
func orders() (*Server, map[string]func() error) {
	s := &Server{log: slog.New(slog.DiscardHandler), load: func() (*config.File, error) { panic("the file is read") }}
	s.program = func() succession.Program { panic("a successor is started") }
	s.deploying.services = map[string]bool{}
	o, ctx := operator{server: s}, context.Background()
	return s, map[string]func() error{
		"restart": func() error { return o.Restart(ctx, "shop") },
		"scale":   func() error { return o.Scale(ctx, "shop", 3) },
		"drain":   func() error { return o.Drain(ctx, "shop-1", true) },
		"undrain": func() error { return o.Undrain("shop-1") },
		"reload":  func() error { _, err := o.Reload(ctx, "a test"); return err },
		"deploy":  func() error { _, err := o.Deploy(ctx, "shop", status.Deploy{}); return err },
		"canary":  func() error { _, err := o.Deploy(ctx, "shop", status.Deploy{Share: 0.1}); return err },
		"promote": func() error { _, err := o.Deploy(ctx, "shop", status.Deploy{Promote: true}); return err },
		"rollback": func() error {
			return o.Rollback(ctx, "shop")
		},
		"upgrade": func() error { _, err := o.Upgrade(ctx); return err },
	}
}

func TestEveryOrderIsRefusedDuringAndAfterAnUpgrade(t *testing.T) {
	s, all := orders()
	if err := s.operations.beginUpgrade(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{ErrUpgrading, ErrHandedOver} {
		for name, order := range all {
			if err := order(); !errors.Is(err, want) || !errors.Is(err, console.ErrRefused) {
				t.Errorf("%s: %v; want %v", name, err, want)
			}
		}
		s.operations.endUpgrade(4711)
	}
	if len(s.deploying.services) > 0 {
		t.Errorf("a refused deploy is left: %v", s.deploying.services)
	}
}

func TestNoUpgradeBeginsDuringADeploy(t *testing.T) {
	s, all := orders()
	release, err := s.claim("shop")
	if err != nil {
		t.Fatal(err)
	}
	if err := all["upgrade"](); !errors.Is(err, ErrChanging) {
		t.Errorf("upgrade during a deploy: %v", err)
	}
	if _, err := s.claim("shop"); err == nil {
		t.Error("a second deploy of the service begins")
	}
	release()
	if err := s.operations.beginUpgrade(); err != nil {
		t.Errorf("after the deploys: %v", err)
	}
}
