package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tenfold-go/tenfold"

// arrows is who may import whom inside the house, beside the standard library. "*" stands for every room; an entry that
// ends in "/..." stands for the package and all below it.
var arrows = map[string][]string{
	"cmd/tenfold": {"*"},

	"kit/breaker":          {},
	"kit/cache":            {},
	"kit/idempotency":      {},
	"kit/session":          {},
	"kit/session/scsstore": {"kit/session"},

	"internal/config":            {},
	"internal/node":              {},
	"internal/http1":             {},
	"internal/store":             {},
	"internal/gateway":           {"internal/gateway/...", "internal/node", "internal/config", "internal/http1", "internal/store"},
	"internal/gateway/balance":   {},
	"internal/gateway/upstream":  {"internal/gateway/balance", "kit/breaker", "internal/http1", "internal/node", "internal/config"},
	"internal/gateway/claim":     {"internal/store"},
	"internal/gateway/jwt":       {"internal/config"},
	"internal/gateway/ratelimit": {"internal/config", "internal/store"},
	"internal/gateway/policy": {"internal/gateway/claim", "internal/gateway/jwt", "internal/gateway/ratelimit", "internal/gateway/upstream",
		"kit/idempotency", "internal/config", "internal/http1"},
	"internal/fleet":           {"internal/node", "internal/config"},
	"internal/fleet/process":   {"internal/fleet"},
	"internal/fleet/fleettest": {"internal/fleet"},
	"internal/journey":         {},
	"internal/load":            {"internal/journey", "internal/http1", "internal/config"},
	"internal/plan":            {},
	"internal/console":         {"internal/config"},
	"examples/shop":            {"kit/breaker", "kit/cache", "kit/idempotency", "kit/session"},
	"examples/shop/cmd/shop":   {"examples/shop"},
	"bench/load":               {},
	"bench/proxy":              {},
}

// leaves may import nothing but the standard library and what is named here.
var leaves = map[string][]string{
	"internal/config":          {"github.com/goccy/go-yaml"},
	"internal/node":            {},
	"internal/http1":           {},
	"internal/journey":         {"github.com/goccy/go-yaml"},
	"internal/gateway/balance": {},
	"kit/breaker":              {},
	"kit/cache":                {"github.com/redis/rueidis", "github.com/maypok86/otter/v2"},
	"kit/idempotency":          {},
	"kit/session":              {"github.com/redis/rueidis"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) (all []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...", "./kit/...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestHouse holds the packages to the arrows: an import that the table does not have is either a mistake or a decision,
// and a decision belongs into the table.
func TestHouse(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		room := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		seen[room] = true
		allowed, known := arrows[room]
		if !known {
			t.Errorf("%s is in no arrow: add it to the table with what it may import", room)
			continue
		}
		for _, path := range p.Imports {
			other, ours := strings.CutPrefix(path, module+"/")
			if ours && !may(allowed, other) {
				t.Errorf("%s imports %s, which it may not", room, other)
			}
			if libraries, leaf := leaves[room]; leaf && !ours && strings.Contains(strings.Split(path, "/")[0], ".") &&
				!slices.ContainsFunc(libraries, func(l string) bool { return path == l || strings.HasPrefix(path, l+"/") }) {
				t.Errorf("%s imports %s, and is a leaf", room, path)
			}
		}
	}
	for room := range arrows {
		if !seen[room] {
			t.Errorf("%s is in the table and not in the house", room)
		}
	}
}

func may(allowed []string, room string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		base, deep := strings.CutSuffix(a, "/...")
		return a == "*" || a == room || deep && (room == base || strings.HasPrefix(room, base+"/"))
	})
}

// TestRoomNames keeps out the rooms that say nothing of what is in them.
func TestRoomNames(t *testing.T) {
	vague := regexp.MustCompile(`(^|/)(utils?|common|helpers?|lib|misc|managers?|base|shared)(/|$)`)
	for _, p := range listPackages(t) {
		if vague.MatchString(strings.TrimPrefix(p.ImportPath, module)) {
			t.Errorf("%s is not a noun of the field", p.ImportPath)
		}
	}
}

// TestArchitectureNamesWhatExists checks every package that ARCHITECTURE.md names.
func TestArchitectureNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:internal|cmd|examples|bench)/[a-z0-9/]+)`").FindAllSubmatch(text, -1)
	if len(names) < 10 {
		t.Errorf("only %d packages are named", len(names))
	}
	for _, n := range names {
		if info, err := os.Stat("../../" + string(n[1])); err != nil || !info.IsDir() {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", n[1])
		}
	}
}
