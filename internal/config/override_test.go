package config

import (
	"strings"
	"testing"
)

func TestOverride(t *testing.T) {
	for _, c := range []struct {
		o    Overrides
		want string // in the error; "" for none
	}{
		{Overrides{}, ""},
		{Overrides{Listen: []string{":0"}, Admin: "127.0.0.1:0", Store: "none"}, ""},
		{Overrides{Admin: "off", Store: "redis://10.0.0.5:6379/0"}, ""},
		{Overrides{Listen: []string{"localhost"}}, `--listen: "localhost" is not host:port`},
		{Overrides{Admin: ":9090"}, "it needs a token"},
		{Overrides{Listen: []string{"127.0.0.1:9090"}, Admin: "127.0.0.1:9090"}, "is taken by listen"},
		{Overrides{Listen: []string{"127.0.0.1:9090"}, Admin: "auto"}, ""},
		{Overrides{Store: "mysql://:secret@db"}, "--store: is neither"},
	} {
		cfg, err := Command([]string{"app"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = cfg.Override(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the message contains the password: %v", err)
		}
	}
}

// A port alone is an address of the kind that it stands for: all addresses for requests, this machine for the admin.
func TestOverrideWithPortsAlone(t *testing.T) {
	cfg, err := Command([]string{"app"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Override(Overrides{Listen: []string{"8080", "127.0.0.1:8443"}, Admin: "9191"}); err != nil {
		t.Fatal(err)
	}
	if got := cfg.Listen; len(got) != 2 || got[0] != ":8080" || got[1] != "127.0.0.1:8443" || cfg.Admin.Listen != "127.0.0.1:9191" {
		t.Errorf("listen %q, admin %q", got, cfg.Admin.Listen)
	}
}

func TestTheStoreOfTheEnvironmentReplacesAuto(t *testing.T) {
	for _, c := range []struct{ file, variable, store, masked, problem string }{
		{"auto", "", "auto", "", ""},
		{"auto", "redis://:s3cret@db:6379/1", "redis://:s3cret@db:6379/1", "redis://:***@db:6379/1", ""},
		{"auto", "rediss://db", "rediss://db", "rediss://db", ""},
		{"none", "redis://db", "none", "", ""},
		{"redis://other", "redis://db", "redis://other", "", ""},
		{"auto", "auto", "auto", "", ""},
		{"auto", "unix:///run/s3cret.sock", "auto", "", "the environment variable REDIS_URL: is neither a redis:// nor a rediss:// URL"},
	} {
		cfg := &Config{Store: c.file}
		err := cfg.UseStoreVariable(func(string) string { return c.variable })
		note := ""
		for _, n := range cfg.Notes() {
			note = strings.TrimPrefix(n.Message, "is that of the environment variable REDIS_URL: ")
		}
		if note != c.masked || cfg.Store != c.store || (err == nil) != (c.problem == "") {
			t.Errorf("%+v: store %q, %q, %v", c, cfg.Store, note, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
