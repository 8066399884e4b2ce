package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// smallest is a file that switches on every optional mapping and sets only keys without a default, one key per line.
const smallest = `
tls:
  cert: shop.crt
  key: shop.key
services:
  shop:
    run: shop
jwt:
  algorithms: EdDSA
  keys: https://issuer.example/jwks.json
  issuer: https://issuer.example/
  audience: shop
routes:
  - auth: jwt
    to: shop
    rate_limit:
      rate: 100/s
    idempotency:
      mode: required
    cors:
      origins: https://shop.example
  - path: /old
    redirect:
      to: /new
`

// TestConfigurationPageIsTrue compares docs/configuration.md with the tables of fields.go, key by key, and compares its
// defaults with the effective file.
func TestConfigurationPageIsTrue(t *testing.T) {
	o := testDir(t)
	plain, err := Parse("tenfold.yaml", []byte("services: {shop: {run: shop}}"), o)
	if err != nil {
		t.Fatal(err)
	}
	full, err := Parse("tenfold.yaml", []byte(smallest), o)
	if err != nil {
		t.Fatal(err)
	}
	redirect := full.Routes[1].Redirect
	service, route := &plain.Services[0], &full.Routes[0]
	sections := map[string][]field{
		"The top of the file":         plain.fields(),
		"`forwarded`":                 plain.Forwarded.fields(),
		"`admin`":                     plain.Admin.fields(),
		"`tls`":                       newTLS().fields(),
		"`tls.certificates[]`":        (&KeyPair{}).fields(),
		"`tls.acme`":                  newTLS().ACME.fields(),
		"`limits`":                    plain.Limits.fields(),
		"`services.NAME`":             service.fields(),
		"`services.NAME.tls`":         newNodeTLS().fields(),
		"`services.NAME.probe`":       service.Probe.fields(),
		"`services.NAME.outlier`":     service.Outlier.fields(),
		"`services.NAME.limit`":       service.Limit.fields(),
		"`services.NAME.retry`":       service.Retry.fields(),
		"`services.NAME.breaker`":     service.Breaker.fields(),
		"`services.NAME.response`":    service.Response.fields(),
		"`services.NAME.liveness`":    livenessFields(newLiveness()),
		"`services.NAME.resources`":   service.Resources.fields(),
		"`routes[]`":                  plain.Routes[0].fields(),
		"`routes[].rate_limit`":       route.RateLimit.fields(),
		"`routes[].idempotency`":      route.Idempotency.fields(),
		"`jwt`":                       full.JWT.fields(),
		"`log`":                       plain.Log.fields(),
		"`routes[].redirect`":         redirect.fields(),
		"`routes[].rewrite`":          newRewrite().fields(),
		"`routes[].request_headers`":  newHeaderChanges().fields(nil),
		"`routes[].response_headers`": newHeaderChanges().fields(nil),
		"`routes[].basic_auth`":       newBasicAuth().fields(),
		"`routes[].cors`":             route.CORS.fields(),
		"`routes[].maintenance`":      newMaintenance().fields(),
	}
	if len(sections) != len(tables()) {
		t.Errorf("%d sections for %d tables", len(sections), len(tables()))
	}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		fields, known := sections[title]
		if !known {
			continue // a section of text
		}
		delete(sections, title)
		comparePage(t, title, section, fields, o)
	}
	for title := range sections {
		t.Errorf("there is no section %s", title)
	}
}

var pageRow = regexp.MustCompile("(?m)^\\| `([a-z_0-9]+)` \\| (.*?) \\| .+ \\|$")

// comparePage compares one section: its keys in the order of the table, each with its default.
func comparePage(t *testing.T, title, section string, fields []field, o *Options) {
	t.Helper()
	var keys, want []string
	for _, f := range fields {
		want = append(want, f.key)
	}
	for _, row := range pageRow.FindAllStringSubmatch(section, -1) {
		key, said := row[1], row[2]
		keys = append(keys, key)
		i := slices.Index(want, key)
		if i < 0 {
			continue // reported below
		}
		words, isDerived := derived[title+" "+key]
		switch value := fields[i].value.show(); {
		case said == "required":
			refusedWithout(t, key, o)
		case isDerived && said != words:
			t.Errorf("%s: %s is documented with the default %s, want %s", title, key, said, words)
		case !isDerived && !showsDefault(said, value):
			t.Errorf("%s: %s is documented with the default %s, the file has %v", title, key, said, value)
		}
	}
	if !slices.Equal(keys, want) {
		t.Errorf("%s documents the keys\n%v, want\n%v", title, keys, want)
	}
}

// derived are the defaults that depend on other keys, in the words of the page.
var derived = map[string]string{
	"`services.NAME` run":         "none",
	"`services.NAME` dir":         "that of the file",
	"`routes[].rate_limit` burst": "the requests of `rate`",
	"`routes[].cors` methods":     "the `methods` of the route, else GET, HEAD and POST",
}

// showsDefault reports whether a cell shows a value as the effective file does. An empty value is a word on the page.
func showsDefault(said string, value any) bool {
	switch v := value.(type) {
	case nil:
		return !strings.Contains(said, "`")
	case string:
		return v == "" && !strings.Contains(said, "`") || strings.HasSuffix(said, "`"+v+"`")
	case []string:
		return len(v) == 0 && !strings.Contains(said, "`") || said == "`"+strings.Join(v, ", ")+"`"
	}
	return strings.HasPrefix(said, "[below](#") // a mapping, which has its own section
}

// refusedWithout checks that the smallest file is refused when the line of the key is removed.
func refusedWithout(t *testing.T, key string, o *Options) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^ *` + key + `:.*\n`)
	if !line.MatchString(smallest) {
		t.Errorf("%s is documented as required, but the smallest file does not have it", key)
	}
	if _, err := Parse("tenfold.yaml", []byte(line.ReplaceAllString(smallest, "")), o); err == nil {
		t.Errorf("%s is documented as required, but the file is accepted without it", key)
	}
}
