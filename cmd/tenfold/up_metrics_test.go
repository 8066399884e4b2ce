package main

import (
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMetricsPageIsTrue runs a tenfold with every policy and compares /metrics with docs/metrics.md: names, types,
// labels, and the values of labels with a closed set of values. It ignores the metrics of the Go runtime.
func TestMetricsPageIsTrue(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "jwks.json"),
		`{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	write(t, filepath.Join(dir, "tenfold.yaml"), `
tls: {auto: local, storage: certificates}
services: {app: {run: service, nodes: 2}}
jwt: {algorithms: EdDSA, keys: jwks.json, issuer: https://issuer.example/, audience: shop}
routes:
  - {path: /, to: app, auth: jwt, rate_limit: 100/s, idempotency: optional}
`)
	x := up(t, call{args: []string{"-f", "tenfold.yaml", "--access", "off", "--listen", "http://127.0.0.1:0"}, dir: dir})
	resp, err := http.Get(x.url) // some series exist only after the first request
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	kill(t, x.nodes()[0].PID, syscall.SIGKILL) // and one only after the first node has ended
	x.await("the end of the node is counted", func() bool { return x.metric(`tenfold_fleet_restarts_total{service="app"}`) == 1 })
	_, text := x.ask("GET", "/metrics", "")
	x.stop()

	page := metricsOfPage(t)
	for name, m := range served(text) {
		shown, known := page[name]
		if !known {
			t.Errorf("%s is in /metrics, but not in docs/metrics.md", name)
			continue
		}
		delete(page, name)
		labels := slices.Sorted(maps.Keys(m.labels))
		if shown.typ != m.typ || !slices.Equal(shown.labels, labels) {
			t.Errorf("%s is a %s by %v; docs/metrics.md says %s by %v", name, m.typ, labels, shown.typ, shown.labels)
		}
		for _, label := range []string{"reason", "result", "state"} {
			for value := range m.labels[label] {
				if !strings.Contains(shown.says, "`"+value+"`") {
					t.Errorf("docs/metrics.md does not explain %s of %s", value, name)
				}
			}
		}
	}
	for name := range page {
		t.Errorf("%s is in docs/metrics.md, but not in /metrics", name)
	}
}

// servedMetric is a metric in the text format of Prometheus.
type servedMetric struct {
	typ    string
	labels map[string]map[string]bool // name to its values
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	labelValue = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

func served(text string) map[string]servedMetric {
	all := map[string]servedMetric{}
	for _, found := range typeLine.FindAllStringSubmatch(text, -1) {
		name := found[1]
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		m := servedMetric{found[2], map[string]map[string]bool{}}
		series := regexp.MustCompile(`(?m)^` + name + `(?:_bucket|_sum|_count)?\{(.*)\} `)
		for _, one := range series.FindAllStringSubmatch(text, -1) {
			for _, label := range labelValue.FindAllStringSubmatch(one[1], -1) {
				if label[1] == "le" {
					continue
				}
				if m.labels[label[1]] == nil {
					m.labels[label[1]] = map[string]bool{}
				}
				m.labels[label[1]][label[2]] = true
			}
		}
		all[name] = m
	}
	return all
}

// shownMetric is a row of docs/metrics.md.
type shownMetric struct {
	typ    string
	labels []string // sorted
	says   string
}

func metricsOfPage(t *testing.T) map[string]shownMetric {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.*?) ?\\| (.+) \\|$")
	all := map[string]shownMetric{}
	for _, m := range row.FindAllStringSubmatch(document(t, filepath.Join("docs", "metrics.md")), -1) {
		var labels []string
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		all[m[1]] = shownMetric{m[2], labels, m[4]}
	}
	return all
}
