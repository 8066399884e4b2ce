package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// field is one key of the file. Each key is listed once, in fields.go. The same value reads and prints it, so the effective
// file has the same keys as the file.
type field struct {
	key   string
	value value
}

// value converts between a part of a Config and its form in the file.
type value interface {
	// read takes the value from the file. If the value is refused, it reports a problem and keeps the default.
	read(r *reader, n strictyaml.Value)
	// show returns the value in the form of the file: a string is one value (quoted where needed), a []string a list,
	// a []shown a mapping, a [][]shown a list of mappings. With nil the key is omitted.
	show() any
}

// shown is one "key: value" of the effective file.
type shown struct {
	key   string
	value any
}

// readFields reads a mapping by the table of its fields.
func (r *reader) readFields(n strictyaml.Value, fields []field) {
	all := r.Mapping(n, "a mapping")
	for i := 0; i < len(all); i++ {
		k := all[i]
		f := fieldOf(fields, k.Key)
		if f == nil {
			r.ProblemAt(k.Value.Path, k.At, unknownField(n.Path, k.Key, fields))
			if f = fieldOf(fields, meant(k.Key, fields)); f == nil || hasKey(all, f.key) {
				continue
			}
			k.Value = r.As(k.Value, joinPath(n.Path, f.key)) // so that the problems below a misspelt key are found as well
		}
		if takesMapping(f.value) {
			children := strictyaml.Unindented(all, i, func(e strictyaml.Entry) bool {
				return fieldOf(fields, e.Key) != nil || meant(e.Key, fields) != ""
			})
			if children != nil {
				k.Value = r.unindented(k, children)
				i += len(children)
			}
		}
		f.value.read(r, k.Value)
	}
}

// fieldOf returns the field with that key, or nil.
func fieldOf(fields []field, key string) *field {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}
	return nil
}

func hasKey(all []strictyaml.Entry, key string) bool {
	return slices.ContainsFunc(all, func(e strictyaml.Entry) bool { return e.Key == key })
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// unindented reports that the lines of children are not indented below their parent, and returns them as its value.
func (r *reader) unindented(parent strictyaml.Entry, children []strictyaml.Entry) strictyaml.Value {
	names := make([]string, 0, 3)
	for _, c := range children[:min(len(children), 3)] {
		name, _, _ := strings.Cut(c.Key, "=") // what is behind it may be a secret
		names = append(names, name)
	}
	if len(children) > 3 {
		names = append(names, "...")
	}
	r.ProblemAt(parent.Value.Path, parent.At, wrong(
		fmt.Sprintf("indent %s by more spaces than %s", strings.Join(names, ", "), parent.Key),
		"has no value: line %d is not indented below it", children[0].At.Line))
	return r.Under(parent, children)
}

// takesMapping reports whether the file may give a value as a mapping.
func takesMapping(v value) bool {
	if o, ok := v.(omitted); ok {
		v = o.value
	}
	_, ok := v.(mapping)
	return ok
}

// mapping is a value that the file may give as a mapping.
type mapping interface {
	value
	isMapping()
}

func (block) isMapping()        {}
func (optional[T]) isMapping()  {}
func (services) isMapping()     {}
func (environment) isMapping()  {}
func (headers) isMapping()      {}
func (headerValues) isMapping() {}
func (probeHeaders) isMapping() {}
func (basicUsers) isMapping()   {}
func (errorPages) isMapping()   {}
func (gatewayTLS) isMapping()   {}
func (nodeTLS) isMapping()      {}
func (liveness) isMapping()     {}

// optional is a mapping that may be missing. The file has "off", or the most important value alone, or all fields.
type optional[T any] struct {
	p      **T
	fresh  func() *T // with its defaults
	fields func(*T) []field
	short  func(t *T, text string) error // nil when there is no short form
}

func (v optional[T]) read(r *reader, n strictyaml.Value) {
	t, off := v.fresh(), false
	b := block{fields: v.fields(t), off: &off}
	if v.short != nil {
		b.short = func(text string) error { return v.short(t, text) }
	}
	if b.read(r, n); !off {
		*v.p = t
	}
}

func (v optional[T]) show() any {
	if *v.p == nil {
		return "off"
	}
	return showFields(v.fields(*v.p))
}

// omitted is a value that the effective file does not have while it is off.
type omitted struct {
	value
	off func() bool
}

func (v omitted) show() any {
	if v.off() {
		return nil
	}
	return v.value.show()
}

func showFields(fields []field) []shown {
	var all []shown
	for _, f := range fields {
		if v := f.value.show(); v != nil {
			all = append(all, shown{f.key, v})
		}
	}
	return all
}

// block is a mapping of fields with short forms: "off", or the most important value alone.
type block struct {
	fields []field
	off    *bool                   // nil when it cannot be switched off
	short  func(text string) error // nil when there is no short form
}

func (b block) read(r *reader, n strictyaml.Value) {
	text, scalar := n.Scalar()
	switch {
	case scalar && b.off != nil && text == "off":
		*b.off = true
	case scalar && b.short != nil:
		if err := b.short(text); err != nil {
			r.refused(n, text, err)
		}
	case scalar:
		hint := ""
		if b.off != nil {
			hint = `the only single value here is "off"`
		}
		r.Problem(n, wrong(hint, "want a mapping, found a single value"))
	default:
		r.readFields(n, b.fields)
	}
}

func (b block) show() any {
	if b.off != nil && *b.off {
		return "off"
	}
	return showFields(b.fields)
}

// unsupported are keys of the design that this version does not have yet. The message for them differs from that for a typing
// error.
var unsupported = []string{"scale", "cache", "kubernetes", "engine"}

// foreignNames maps the names of other tools to the keys of this file.
var foreignNames = map[string]string{
	"command": "run", "cmd": "run", "entrypoint": "run", "exec": "run",
	"replicas": "nodes", "instances": "nodes", "servers": "nodes", "upstreams": "nodes", "targets": "nodes",
	"health": "probe", "healthcheck": "probe", "health_check": "probe", "readiness_probe": "probe",
	"environment": "env", "depends_on": "after", "restart_policy": "restart", "release_command": "before", "pre_deploy": "before", "workdir": "dir", "cwd": "dir", "working_dir": "dir",
	"ratelimit": "rate_limit", "limit_rate": "rate_limit", "idempotent": "idempotency", "jwks": "keys", "jwks_url": "keys",
	"iss": "issuer", "aud": "audience", "algorithm": "algorithms", "alg": "algorithms", "by": "caller",
	"basicauth": "basic_auth", "strip": "strip_prefix", "allowed_origins": "origins", "allow_origins": "origins", "code": "status",
	"whitelist": "allow", "allowlist": "allow", "blacklist": "deny", "denylist": "deny", "maxage": "max_age", "logs": "log", "logging": "log",
	"service": "to", "backend": "to", "url": "to", "location": "to", "target": "to", "upstream": "to", "prefix": "path",
	"lb": "balance", "load_balancer": "balance", "strategy": "balance", "attempts": "tries", "retries": "retry",
	"circuit_breaker": "breaker", "redis": "store", "certificate": "cert", "address": "listen", "bind": "listen",
}

// homes returns for every key the mappings that have it, in the order of tables.
var homes = sync.OnceValue(func() map[string][]table {
	m := map[string][]table{}
	var address nodeAddress
	addresses := table{servicePath + ".nodes", "an address in " + servicePath + ".nodes", address.fields()}
	for _, t := range append(tables(), addresses) {
		for _, f := range t.fields {
			m[f.key] = append(m[f.key], t)
		}
	}
	return m
})

var (
	listIndex     = regexp.MustCompile(`\[[0-9]+\]`)
	servicePrefix = regexp.MustCompile(`^services\.[^.]*`)
)

// homesOf returns the names of the mappings that a key in the mapping at path may belong to. In a mapping of details, such as
// probe, these are only the mappings around it: a key of the same name elsewhere usually has another meaning.
func homesOf(path, key string) (names []string) {
	path = servicePrefix.ReplaceAllString(listIndex.ReplaceAllString(path, ""), servicePath)
	details := path != "" && path != servicePath && path != "routes"
	for _, t := range homes()[key] {
		if !details || t.path == "" || strings.HasPrefix(path, t.path+".") {
			names = append(names, t.name)
		}
	}
	return names
}

// unknownField returns the error for a key that is not among fields, with a hint at the key that was probably meant.
func unknownField(path, key string, fields []field) error {
	if slices.Contains(unsupported, key) {
		return wrong("remove it", "is not supported by this version")
	}
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	name := plainKey(key)
	if here := foreignNames[name]; slices.Contains(known, here) {
		return wrong("the name here is "+here, "unknown field")
	}
	if near := closest(name, known); near != "" {
		return wrong("did you mean "+near+"?", "unknown field")
	}
	if homes := homesOf(path, name); len(homes) > 0 {
		return wrong(name+" belongs to "+strings.Join(homes, " or "), "unknown field")
	}
	return wrong("known here: "+strings.Join(known, ", "), "unknown field")
}

// plainKey returns a key in the spelling of this file.
func plainKey(key string) string { return strings.ReplaceAll(strings.ToLower(key), "-", "_") }

// meant returns the key of fields that an unknown key was probably meant to be, or "".
func meant(key string, fields []field) string {
	if slices.Contains(unsupported, key) {
		return ""
	}
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	name := plainKey(key)
	if here := foreignNames[name]; slices.Contains(known, here) {
		return here
	}
	return closest(name, known)
}

// closest returns the name that is most similar to got, or "" when none is similar.
func closest(got string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if d := distance(got, name); d < least && d <= max(1, len(name)/3) {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to turn a into b.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40 // too long for a typing error
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
