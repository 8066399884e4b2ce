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
		{Overrides{Listen: []string{"8080"}}, `--listen: "8080" is not an address`},
		{Overrides{Admin: ":9090"}, "it needs a token"},
		{Overrides{Listen: []string{"127.0.0.1:9090"}, Admin: "127.0.0.1:9090"}, "is taken by listen"},
		{Overrides{Listen: []string{"127.0.0.1:9090"}, Admin: "auto"}, ""},
		{Overrides{Store: "mysql://:secret@db"}, "--store: is neither"},
	} {
		cfg, err := Command([]string{"app"}, "")
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
