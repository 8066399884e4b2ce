package config

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// TestCommentsNameTheDefaults compares the comments of config.go with the code: every field has a key in the file, and a comment
// with "default X" is right about the effective file of a service with no key set.
func TestCommentsNameTheDefaults(t *testing.T) {
	c, err := Command([]string{"shop"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, s := defaults()
	c.Services[0].Probe = s.Probe // the probe of Command differs
	keys := map[string][]field{
		"Config": c.fields(), "Admin": c.Admin.fields(), "TLS": (&TLS{}).fields(), "Limits": c.Limits.fields(),
		"Service": c.Services[0].fields(), "Probe": s.Probe.fields(), "Outlier": s.Outlier.fields(),
		"Limit": s.Limit.fields(), "Retry": s.Retry.fields(), "Breaker": s.Breaker.fields(), "Route": c.Routes[0].fields(),
	}
	// Fields without a key, or with a default in words.
	other := map[string]string{
		"Service.Name": "the key", "Service.MinNodes": "nodes", "Service.MaxNodes": "nodes", "Service.Addresses": "nodes",
		"Service.Weights": "nodes", "Service.Backups": "nodes", "Service.Worker": "found out", "Probe.Off": "off", "Outlier.Off": "off", "Breaker.Off": "off",
		"Service.Dir": "the directory of the file", "Service.Drain": "Config.Drain", "Config.Routes": `"/"`,
		"Config.ProxyProtocol": "none", "Config.TrustedProxies": "none", "Probe.Body": "none", "Route.Methods": "all",
		"Route.Headers": "none", "Service.Balance": "", "Route.Allow": "all", "Route.Expose": "Config.Expose",
	}
	compared := 0
	for typ, fields := range documentedFields(t) {
		for _, f := range fields {
			name := typ + "." + f.name
			said, inWords := other[name]
			i := slices.IndexFunc(keys[typ], func(k field) bool { return k.key == snake(f.name) })
			switch {
			case keys[typ] == nil || inWords && i < 0 || !gotoken.IsExported(f.name):
				continue
			case i < 0:
				t.Errorf("%s has no key %s in the file", name, snake(f.name))
			case inWords:
				if f.says != "" && f.says != said {
					t.Errorf("%s: the comment says default %s, want %s", name, f.says, said)
				}
			case f.says != "":
				compared++
				if got, _ := keys[typ][i].value.show().(string); !sameValue(f.says, got, keys[typ][i].value.show()) {
					t.Errorf("%s: the comment says default %s, the effective file %v", name, f.says, keys[typ][i].value.show())
				}
			}
		}
	}
	if compared < 25 {
		t.Errorf("compared only %d defaults", compared)
	}
}

type documentedField struct{ name, says string }

var saysDefault = regexp.MustCompile(`default:? ("[^"]*"|[^,;\n]+)`)

func documentedFields(t *testing.T) map[string][]documentedField {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string][]documentedField{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				comment := f.Comment.Text() + f.Doc.Text()
				says := ""
				if m := saysDefault.FindStringSubmatch(comment); m != nil {
					says = m[1]
					for _, aside := range []string{`: `, ` (`, ` to the only`} { // "0: no limit", "0.1 (10%)"
						says, _, _ = strings.Cut(says, aside)
					}
				}
				for _, name := range f.Names {
					types[spec.Name.Name] = append(types[spec.Name.Name], documentedField{name.Name, says})
				}
			}
		}
		return true
	})
	return types
}

// sameValue compares a default in a comment with the effective file, which may write it differently: 60s is 1m.
func sameValue(says, got string, shown any) bool {
	says = strings.Trim(says, `"`)
	if shown == nil { // a value that is omitted while it is off
		return says == "none"
	}
	if l, ok := shown.([]string); ok {
		got = strings.Join(l, ",")
	}
	saidTime, err1 := parseDuration(says, 0)
	gotTime, err2 := parseDuration(got, 0)
	saidShare, err3 := parseShare(says, 0)
	gotShare, err4 := parseShare(got, 0)
	return says == got ||
		err1 == nil && err2 == nil && saidTime == gotTime ||
		err3 == nil && err4 == nil && saidShare == gotShare
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		previousLower := i > 0 && unicode.IsLower(rune(name[i-1]))
		nextLower := i+1 < len(name) && unicode.IsLower(rune(name[i+1]))
		if unicode.IsUpper(r) && i > 0 && (previousLower || nextLower) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestCommandNamesTheService(t *testing.T) {
	for command, want := range map[string]string{
		"python3 app.py":               "app",
		"node --inspect server.js":     "server",
		"java -Xmx1g -jar shop-2.jar":  "shop-2",
		"./bin/shop serve":             "shop",
		"/opt/My_Shop.v2/Run_It":       "run-it",
		"python3 -m http.server":       "python3",
		"npm start":                    "npm",
		"7zip":                         "zip",
		"_":                            "app",
		"été":                          "t",
		"x-- y":                        "x",
		"sh -c exec":                   "sh",
		"server --config app.conf":     "server",
		strings.Repeat("a", 62) + "-b": strings.Repeat("a", 62),
	} {
		c, err := Command(strings.Fields(command), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Services[0].Name; got != want {
			t.Errorf("%s is called %q, want %q", command, got, want)
		}
		if err := checkServiceName(want); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestCommandIsAWholeConfig(t *testing.T) {
	c, err := Command([]string{"python3", "app.py", "${X} \t\"'"}, &CommandOptions{Nodes: "2..10"})
	if err != nil {
		t.Fatal(err)
	}
	c.ownEnv = false // a file does not have it
	s := c.Services[0]
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if s.MinNodes != 2 || s.MaxNodes != 10 || s.Worker || s.Dir != dir {
		t.Errorf("got %+v", s)
	}
	if want := []Route{{Path: "/", To: "app", Auth: "off"}}; !reflect.DeepEqual(c.Routes, want) {
		t.Errorf("got routes %v, want %v", c.Routes, want)
	}
	again, err := Parse("effective", c.yaml(), nil)
	if err != nil || !reflect.DeepEqual(c, again) {
		t.Errorf("the effective file differs: %v\n%s", err, c.yaml())
	}
}

func TestCommandRefuses(t *testing.T) {
	for _, test := range []struct {
		argv  []string
		nodes string
		want  string
	}{
		{nil, "", "there is no command to run"},
		{[]string{""}, "", "there is no command to run"},
		{[]string{"a", "b\x00"}, "", `the command "a" has a NUL character in an argument`},
		{[]string{"a"}, "0", `--nodes: "0" is out of range: from 1 to 1000`},
		{[]string{"a"}, "10..2", `--nodes: "10..2" starts above its end`},
		{[]string{"a"}, "many", `--nodes: "many" is not a number of nodes`},
		{[]string{"a"}, "10.0.0.1:80", `--nodes: "10.0.0.1:80" is not a number of nodes`},
	} {
		if _, err := Command(test.argv, &CommandOptions{Nodes: test.nodes}); err == nil || err.Error() != test.want {
			t.Errorf("%q, %q: got %v, want %s", test.argv, test.nodes, err, test.want)
		}
	}
}

func distinctKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "k" + strconv.Itoa(i)
	}
	return keys
}

// TestHostileFilesCostLittle reads files that are made to be expensive. Each is refused or read in bounded time and stack.
func TestHostileFilesCostLittle(t *testing.T) {
	const size = strictyaml.MaxFile / 4 // enough to be far beyond the other limits
	deep := func(unit func(depth int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-4000; i++ {
			b.WriteString(unit(i))
		}
		return b.String()
	}
	many := func(s string) string { return strings.Repeat(s, size/len(s)) }
	some := func(s string) string { return strings.Repeat(s, 16_000) } // below maxTokens, so the parser sees it
	for name, text := range map[string]string{
		"brackets":          many("["),
		"braces":            many("{"),
		"nested lists":      many("- "),
		"nested pairs":      many("a: "),
		"pairs in brackets": "[" + many("a: "),
		"explicit keys":     many("? "),
		"some pairs":        "[" + some("a: "),
		"some colons":       "a: [" + some(": "),
		"some comma pairs":  "{" + some("a: b, "),
		"some dashes":       some("- a\n"),
		"some lines":        some("x\n"),
		"some quotes":       some(`"x" `),
		"some flow colons":  "{" + some("a: {}, "),
		"some keys":         strings.Join(distinctKeys(16_000), ": 1\n") + ": 1",
		"some flow keys":    "{" + strings.Join(distinctKeys(11_000), ": 1, ") + ": 1}",
		"some services":     "services:\n  " + strings.Join(distinctKeys(8_000), ": {}\n  ") + ": {}",
		"anchors":           many("&a "),
		"tags":              many("! "),
		"deep mapping":      deep(func(i int) string { return strings.Repeat(" ", i) + "a:\n" }),
		"deep list":         deep(func(i int) string { return strings.Repeat(" ", i) + "-\n" }),
		"many keys":         strings.Join(distinctKeys(100_000), ": 1\n") + ": 1",
		"many unknown":      "services:\n" + strings.Repeat("  a: {b: 1, c: 2, d: 3}\n", 3000),
		"one long line":     "services: {" + strings.Repeat("a: {run: [x]}, ", 4000) + "}",
		"many routes":       "services: {a: {run: [a]}}\nroutes: [" + strings.Repeat("{to: a}, ", 9000) + "]",
		"long text":         "store: " + many("x"),
		"long quoted text":  `store: "` + many("x") + `"`,
		"comments":          many("# x\n"),
		"documents":         many("---\n"),
		"commas":            "listen: [" + many(",") + "]",
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := Parse("hostile.yaml", []byte(text), nil); err == nil {
				t.Errorf("was accepted: %d services, %d routes", len(c.Services), len(c.Routes))
			} else if len(err.Error()) > 100_000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestRoutePoliciesAreDescribedOnce checks what tenfold check and the admin API show of a route's policies.
func TestRoutePoliciesAreDescribedOnce(t *testing.T) {
	c, err := Parse("f.yaml", []byte("services: {shop: {run: shop}}\nroutes:\n"+
		"  - {path: /api, to: shop, rate_limit: 600/m, idempotency: optional}\n  - {path: /, to: shop}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []RoutePolicy{{"rate_limit", "600/m", "at most 600/m by ip"}, {"idempotency", "optional", "idempotency optional"}}
	if got := c.Routes[0].Policies(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !c.Routes[0].Guarded() || c.Routes[1].Guarded() {
		t.Error("a route is guarded exactly if it has a policy")
	}
}
