package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const base = `
services:
  shop: {run: [shop, serve], env: {LEVEL: info, KEY: secret-one}}
  mail: {nodes: ["10.0.0.1:80"]}
routes:
  - {path: /, to: shop}
  - {path: /mail, to: mail, rate_limit: 10/s}
`
	for name, c := range map[string]struct {
		edit []string // old and new texts
		want []Change
	}{
		"nothing":  {nil, nil},
		"comments": {[]string{"services:", "# a comment\nservices:"}, nil},
		"a value": {[]string{"services:", "drain: 10s\nservices:"}, []Change{
			{"drain", Changed, "30s", "10s"}, {"services.shop.drain", Changed, "30s", "10s"}, {"services.mail.drain", Changed, "30s", "10s"}}},
		"secrets are compared and not shown": {[]string{"secret-one", "secret-two", "LEVEL: info, ", ""}, []Change{
			{"services.shop.env.KEY", Changed, `"***"`, `"***"`}, {"services.shop.env.LEVEL", Removed, `"***"`, ""}}},
		"a mapping instead of off": {[]string{"services:", "jwt: {secret: a-secret-of-more-than-thirty-two-bytes, issuer: a, audience: any}\nservices:"}, []Change{
			{"jwt", Changed, "off", `{algorithms: [HS256], secret: "***", issuer: a, audience: [any], leeway: 30s, refresh: 5m, refetch: 30s}`}}},
		"a list": {[]string{`["10.0.0.1:80"]`, `["10.0.0.1:80", "10.0.0.2:80"]`}, []Change{
			{"services.mail.nodes", Changed, "[10.0.0.1:80]", "[10.0.0.1:80, 10.0.0.2:80]"}}},
		"a route before the others": {[]string{"  - {path: /,", "  - {path: /new, to: shop}\n  - {path: /,"}, []Change{
			{"routes[0]", Added, "", "{path: /new, to: shop, auth: off, rate_limit: off, idempotency: off}"}}},
		"a policy of a route": {[]string{"10/s", "20/s"}, []Change{
			{"routes[1].rate_limit.rate", Changed, "10/s", "20/s"}, {"routes[1].rate_limit.burst", Changed, "10", "20"}}},
		"a removed route": {[]string{"  - {path: /mail, to: mail, rate_limit: 10/s}", "  - {path: /post, to: mail}"}, []Change{
			{"routes[1]", Added, "", "{path: /post, to: mail, auth: off, rate_limit: off, idempotency: off}"},
			{"routes[1]", Removed, "{path: /mail, to: mail, auth: off, rate_limit: {rate: 10/s, burst: 10, caller: ip, scope: fleet}, idempotency: off}", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			old, new := parseText(t, base), parseText(t, strings.NewReplacer(c.edit...).Replace(base))
			if got := Diff(old, new); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestDiffOfServicesAndOrder(t *testing.T) {
	old := parseText(t, "services: {a: {nodes: [\"h:1\"]}, b: {nodes: [\"h:2\"]}}\nroutes: [{path: /a, to: a}, {path: /b, to: b}]")
	new := parseText(t, "services: {a: {nodes: [\"h:1\"]}, c: {nodes: [\"h:3\"]}}\nroutes: [{path: /b, to: c}, {path: /a, to: a}]")
	var got []string
	for _, c := range Diff(old, new) {
		got = append(got, string(c.Action)+" "+c.Path)
	}
	if want := "add services.c, remove services.b, change routes[0].to, change routes"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

func parseText(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("tenfold.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A problem that is found after the file was read has the place of its value.
func TestProblemOfAFile(t *testing.T) {
	f, err := parse("tenfold.yaml", []byte("services: {shop: {run: [shop]}}\nstore: none\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := f.Problem("store", wrong("restart", "cannot be reloaded"))
	want := Problem{File: "tenfold.yaml", Line: 2, Column: 8, Path: "store", Message: "cannot be reloaded", Hint: "restart"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := f.Problem("admin", wrong("", "x")); got.Line != 1 || got.Column != 1 {
		t.Errorf("a key that the file does not have is at %d:%d", got.Line, got.Column)
	}
}
