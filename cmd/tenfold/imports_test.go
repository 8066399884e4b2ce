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

// allowedImports lists, for each package of both modules, which packages of the modules it may import. "*" stands for every
// package; an entry that ends in "/..." stands for the package and all packages below it.
var allowedImports = map[string][]string{
	"cmd/tenfold": {"*"},

	"kit/breaker": {},

	"kit/cache": {"kit/position", "kit/redisscript"},

	"kit/idempotency": {},

	"kit/position": {},

	"kit/cart": {"kit/redisscript"},

	"kit/redisscript": {},

	"kit/redistest": {},

	"kit/session": {"kit/redisscript"},

	"kit/session/scsstore": {"kit/redisscript"},

	"internal/usertext": {},

	"internal/strictyaml": {"internal/usertext"},

	"internal/config": {"internal/dotenv", "internal/foreign", "internal/strictyaml", "internal/usertext"},

	"internal/dotenv": {"internal/strictyaml"},

	"internal/foreign": {},

	"internal/node": {},

	"internal/sample": {},

	"internal/http1/wire": {},

	"internal/http1/client": {"internal/http1/wire"},

	"internal/http1/guard": {"internal/http1/wire"},

	"internal/store": {},
	"internal/lease": {"kit/redisscript"},

	"internal/gateway": {"internal/gateway/...", "internal/http1/wire", "internal/node", "internal/sample", "internal/config", "internal/store"},

	"internal/gateway/affinity": {"internal/gateway/exchange"},

	"internal/gateway/balance": {},

	"internal/gateway/engine": {"internal/config"},

	"internal/gateway/engine/std": {"internal/gateway/engine", "internal/gateway/exchange", "internal/http1/guard"},

	"internal/gateway/certificate": {"internal/config", "internal/filewatch", "internal/gateway/certificate/..."},

	"internal/gateway/certificate/acme": {"internal/config", "internal/gateway/certificate/certstore", "internal/usertext"},

	"internal/gateway/certificate/certstore": {"kit/redisscript"},

	"internal/gateway/certificate/localca": {},

	"internal/gateway/exchange": {},

	"internal/gateway/problem": {"internal/gateway/exchange", "internal/gateway/upstream", "internal/http1/client"},

	"internal/gateway/upstream": {"internal/gateway/balance", "internal/gateway/exchange", "internal/gateway/upstream/urlstatus", "kit/breaker", "internal/http1/client", "internal/node",
		"internal/sample", "internal/config", "internal/filewatch"},

	"internal/gateway/upstream/urlstatus": {},

	"internal/gateway/caller": {"internal/config", "internal/gateway/exchange"},

	"internal/gateway/idempotent": {"internal/config", "internal/gateway/caller", "internal/gateway/exchange", "internal/gateway/problem",
		"internal/gateway/response", "internal/http1/client", "internal/http1/wire", "kit/idempotency", "kit/redisscript"},

	"internal/gateway/response": {},

	"internal/gateway/jwt": {"internal/config", "internal/usertext"},

	"internal/gateway/ratelimit": {"internal/config", "internal/store", "kit/redisscript"},

	"internal/gateway/policy": {"internal/gateway/caller", "internal/gateway/jwt", "internal/gateway/ratelimit", "internal/gateway/exchange",
		"internal/gateway/problem",
		"internal/config", "internal/http1/client", "internal/http1/wire"},

	"internal/fleet": {"internal/node", "internal/config"},

	"internal/fleet/process": {"internal/fdlink", "internal/fleet"},

	"internal/fleet/fleettest": {"internal/fleet", "internal/node"},

	"internal/curve": {"internal/usertext"},

	"internal/journey": {"internal/http1/wire", "internal/strictyaml", "internal/usertext"},

	"internal/load": {"internal/curve", "internal/http1/client", "internal/http1/wire", "internal/journey", "internal/load/arrivals",
		"internal/load/platform", "internal/report", "internal/usertext"},

	"internal/load/arrivals": {},

	"internal/load/platform": {},

	"internal/load/render": {"internal/curve", "internal/report"},

	"internal/recording": {},

	"internal/plan": {"internal/curve", "internal/queueing", "internal/report", "internal/usertext"},

	"internal/queueing": {},

	"internal/fdlink":     {},
	"internal/socket":     {},
	"internal/succession": {"internal/fdlink"},
	"internal/systemd":    {},
	"internal/output":     {},

	"internal/report": {},

	"internal/filewatch": {},

	"internal/runfile": {},

	"internal/console": {"internal/config", "internal/status"},

	"internal/status": {"internal/config", "internal/fleet", "internal/gateway/affinity", "internal/gateway/certificate", "internal/gateway/upstream", "internal/node"},

	"internal/server": {"internal/config", "internal/console", "internal/fdlink", "internal/fleet", "internal/fleet/process",
		"internal/gateway", "internal/lease", "internal/output", "internal/socket", "internal/status", "internal/store", "internal/succession",
		"internal/systemd"},

	"internal/kittest": {},

	"internal/kittest/cache": {},

	"internal/kittest/cart": {},

	"internal/kittest/idempotency": {},

	"internal/kittest/scsstore": {},

	"internal/kittest/session": {},

	"examples/shop": {"kit/cache", "kit/cart", "kit/idempotency", "kit/session"},

	"examples/shop/cmd/shop": {"examples/shop"},

	"deploy": {},

	"bench/load": {},

	"bench/proxy": {},
}

// leafLibraries lists the leaf packages. Outside the two modules, a leaf imports only the standard library and the libraries
// that are named here.
var leafLibraries = map[string][]string{
	"internal/usertext": {},

	"internal/strictyaml": {"github.com/goccy/go-yaml"},

	"internal/config": {},

	"internal/curve": {},

	"internal/node": {},

	"internal/sample": {},

	"internal/http1/wire": {},

	"internal/http1/client": {},

	"internal/http1/guard": {},

	"internal/journey": {},

	"internal/output": {},

	"internal/queueing": {"gonum.org/v1/gonum"},

	"internal/report": {},

	"internal/runfile": {},

	"internal/recording": {},

	"internal/store": {"github.com/redis/rueidis", "github.com/alicebob/miniredis/v2"},

	"internal/load/arrivals": {},

	"internal/gateway/response": {},

	"internal/gateway/certificate/localca": {},

	"internal/gateway/balance": {},

	"internal/gateway/exchange": {},

	"internal/gateway/upstream/urlstatus": {},

	"kit/breaker": {},

	"kit/cache": {"github.com/redis/rueidis", "github.com/maypok86/otter/v2"},

	"kit/cart": {"github.com/redis/rueidis"},

	"kit/idempotency": {},

	"kit/position": {},

	"kit/redisscript": {"github.com/redis/rueidis"},

	"kit/redistest": {"github.com/redis/rueidis"},

	"kit/session": {"github.com/redis/rueidis"},

	"kit/session/scsstore": {"github.com/redis/rueidis"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// name is the package's path below the root module, for example "internal/gateway".
func (p goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// own returns the imports that belong to the two modules, as names.
func (p goPackage) own() (names []string) {
	for _, path := range p.Imports {
		if name, ok := strings.CutPrefix(path, module+"/"); ok {
			names = append(names, name)
		}
	}
	return names
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

// covers reports whether a table entry stands for the package.
func covers(entry, name string) bool {
	base, deep := strings.CutSuffix(entry, "/...")
	return entry == "*" || entry == name || deep && (name == base || strings.HasPrefix(name, base+"/"))
}

// TestImports compares each package's imports with the table. An import that the table does not list is a mistake or a new
// decision. A decision belongs into the table, and into ARCHITECTURE.md.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name := p.name()
		seen[name] = true
		allowed, known := allowedImports[name]
		if !known {
			t.Errorf("%s is not in the table: add it with the packages that it may import", name)
			continue
		}
		for _, other := range p.own() {
			if !slices.ContainsFunc(allowed, func(entry string) bool { return covers(entry, other) }) {
				t.Errorf("%s imports %s, which the table does not allow", name, other)
			}
		}
		for _, entry := range allowed {
			if entry != "*" && !slices.ContainsFunc(p.own(), func(other string) bool { return covers(entry, other) }) {
				t.Errorf("%s may import %s and does not: remove the entry", name, entry)
			}
		}
	}
	for name := range allowedImports {
		if !seen[name] {
			t.Errorf("the table lists %s, which does not exist", name)
		}
	}
}

// TestLeaves checks that a leaf imports only the libraries that the table lists, and that each of them is used.
func TestLeaves(t *testing.T) {
	under := func(path, library string) bool { return path == library || strings.HasPrefix(path, library+"/") }
	for _, p := range listPackages(t) {
		libraries, leaf := leafLibraries[p.name()]
		if !leaf {
			continue
		}
		var external []string
		for _, path := range p.Imports {
			if strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, module+"/") {
				external = append(external, path)
			}
		}
		for _, path := range external {
			if !slices.ContainsFunc(libraries, func(library string) bool { return under(path, library) }) {
				t.Errorf("leaf package %s imports %s", p.name(), path)
			}
		}
		for _, library := range libraries {
			if !slices.ContainsFunc(external, func(path string) bool { return under(path, library) }) {
				t.Errorf("leaf package %s may import %s and does not: remove the entry", p.name(), library)
			}
		}
	}
}

// TestPackageNames rejects package names that say nothing about the content.
func TestPackageNames(t *testing.T) {
	vague := regexp.MustCompile(`(^|/)(utils?|common|helpers?|lib|misc|managers?|base|shared)(/|$)`)
	for _, p := range listPackages(t) {
		if vague.MatchString(p.name()) {
			t.Errorf("package %s: the name is not a noun of the field", p.name())
		}
	}
}

// TestArchitectureTable compares the package table of ARCHITECTURE.md with allowedImports. In the document "everything" stands
// for "*", "nothing" for an empty list, and the prefix internal/ is omitted.
func TestArchitectureTable(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|[^|]*\\| ([^|]+) \\|$").FindAllStringSubmatch(string(text), -1) {
		for _, quoted := range regexp.MustCompile("`(deploy|(?:cmd|internal|kit|examples|bench)/[^`]+)`").FindAllStringSubmatch(row[1], -1) {
			name := quoted[1]
			documented[name] = true
			allowed, known := allowedImports[name]
			if !known {
				t.Errorf("ARCHITECTURE.md lists package %s, which does not exist", name)
				continue
			}
			if want := importsInWords(allowed); row[2] != want {
				t.Errorf("ARCHITECTURE.md says that %s may import %q; the table says %q", name, row[2], want)
			}
		}
	}
	for name := range allowedImports {
		if !documented[name] {
			t.Errorf("ARCHITECTURE.md does not list package %s", name)
		}
	}
}

// TestDependenciesHaveReasons compares the direct dependencies of go.mod with the table of docs/decisions.md.
func TestDependenciesHaveReasons(t *testing.T) {
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/decisions.md")
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(module), -1)
	explained := regexp.MustCompile("(?m)^\\| `(\\S+\\.\\S+/\\S+)` \\| \\S.*\\|$").FindAllStringSubmatch(string(text), -1)
	names := func(rows [][]string) (all []string) {
		for _, row := range rows {
			all = append(all, row[1])
		}
		return all
	}
	if direct, listed := names(required), names(explained); len(direct) == 0 || !slices.Equal(direct, listed) {
		t.Errorf("go.mod requires\n%q, docs/decisions.md explains\n%q", direct, listed)
	}
}

// importsInWords is how ARCHITECTURE.md writes a row of the import table.
func importsInWords(allowed []string) string {
	switch {
	case len(allowed) == 0:
		return "nothing"
	case allowed[0] == "*":
		return "everything"
	}
	names := make([]string, len(allowed))
	for i, entry := range allowed {
		names[i] = strings.TrimPrefix(entry, "internal/")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// TestArchitectureNamesWhatExists checks every package path that the text of ARCHITECTURE.md mentions.
func TestArchitectureNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:internal|cmd|examples|bench|kit|docs)/[a-z0-9/]+)`").FindAllSubmatch(text, -1)
	if len(names) < 10 {
		t.Errorf("ARCHITECTURE.md names only %d packages", len(names))
	}
	for _, n := range names {
		if info, err := os.Stat("../../" + string(n[1])); err != nil || !info.IsDir() {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", n[1])
		}
	}
}
