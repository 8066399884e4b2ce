package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load"
	"github.com/tenfold-go/tenfold/internal/runfile"
)

func TestListensAt(t *testing.T) {
	records := []runfile.Record{
		{Name: "all", Listen: []string{"http://localhost:8080"}},
		{Name: "one", Listen: []string{"http://127.0.0.2:8080", "https://[::1]:8443"}},
		{Name: "default", Listen: []string{"http://localhost:80", "https://localhost:443"}},
		{Name: "other", Listen: []string{"http://10.0.0.5:9000"}},
		{Name: "broken", Listen: []string{"::"}},
	}
	addrs := func(all ...string) (here []netip.Addr) {
		for _, a := range all {
			here = append(here, netip.MustParseAddr(a))
		}
		return here
	}
	for _, c := range []struct {
		target string
		here   []netip.Addr
		want   string
	}{
		{"http://localhost:8080/x", addrs("127.0.0.1", "::1"), "all"},
		{"http://127.0.0.1:8080", addrs("127.0.0.1"), "all"},
		{"http://127.0.0.2:8080", addrs("127.0.0.2"), "one"}, // the address wins over all addresses
		{"https://localhost:8443", addrs("127.0.0.1", "::1"), "one"},
		{"https://127.0.0.1:8443", addrs("127.0.0.1"), ""},
		{"http://0.0.0.0:9000", addrs("0.0.0.0"), "other"},
		{"http://10.0.0.5:9000", addrs("10.0.0.5"), "other"},
		{"http://localhost", addrs("127.0.0.1"), "default"},
		{"https://localhost/", addrs("127.0.0.1"), "default"},
		{"http://localhost:8081", addrs("127.0.0.1"), ""},
		{"http://shop.example:8080", nil, ""}, // elsewhere
	} {
		u, err := load.ParseURL(c.target)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r := listensAt(records, u, c.here); r != nil {
			got = r.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.target, got, c.want)
		}
	}
}

func TestAddressesOf(t *testing.T) {
	for target, want := range map[string]bool{
		"http://localhost:1": true, "http://127.0.0.1:1": true, "http://[::1]:1": true, "http://127.9.9.9:1": true,
		"http://192.0.2.1:1": false, "unix:/run/x.sock": false, "http://no-such-host.invalid:1": false,
	} {
		u, err := load.ParseURL(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := addressesOf(t.Context(), u); (len(got) > 0) != want {
			t.Errorf("%s: %v", target, got)
		}
	}
}

// A running tenfold behind a local target is found without a flag, and the plan divides by its nodes. Exit code 3 says that a busy
// machine did not keep up with the rate: that is not what this test is about.
func TestLoadFindsTheTenfoldBehindTheTarget(t *testing.T) {
	x := demo(t, "--nodes", "2")
	t.Setenv("TMPDIR", x.tmp)
	file := filepath.Join(t.TempDir(), "a.json")
	code, stdout, stderr := tenfoldLoad(t.Context(), x.url+"/api/products", "--rates", "20..20", "--duration", "500ms", "--warmup", "0s",
		"--json", file)
	data, err := os.ReadFile(file)
	var d curve.Document
	if err != nil || json.Unmarshal(data, &d) != nil || code != 0 && code != 3 || d.TargetNodes != 2 ||
		!strings.Contains(stderr, "the target is the gateway of a tenfold: 2 nodes of service shop ready") {
		t.Errorf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	d.Knee = &curve.Knee{Rate: 200, Low: 200, High: 210}
	var b strings.Builder
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := runPlan(t, b.String(), "-", "--peak-rps", "1000", "--margin", "0"); code != 0 ||
		!strings.HasPrefix(stdout, "Run 10 nodes: each carries 100 rps") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	x.stop()
}
