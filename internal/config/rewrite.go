package config

import (
	"regexp"
	"strings"
)

// Rewrite changes the path of a request for the service: by its prefix, or by a pattern.
type Rewrite struct {
	// Prefix takes the place of the route's path: with path: /shop, rewrite: /v2 makes /v2/cart of /shop/cart.
	Prefix string
	// Match is a regular expression (RE2) that must match the whole path, percent-encoded as it is sent to the service. A path
	// that it does not match stays.
	Match string
	// To is the new path, for Match. $1 or ${1} is what the first group of Match has matched, ${name} a named group.
	To string
}

// stripOn is what strip_prefix: on is until the route's path is known.
const stripOn = "on"

var stripPrefixPolicy = routePolicy{
	key:  "strip_prefix",
	open: true,
	value: func(r *Route) value {
		return omitted{scalar[string]{&r.StripPrefix, parseStripPrefix, word}, func() bool { return r.StripPrefix == "" }}
	},
	defaults: func(r *Route) {
		if r.StripPrefix == stripOn {
			r.StripPrefix = r.Path
		}
	},
	check: func(v *validation, path string, r *Route, _ *Config) {
		at := path + ".strip_prefix"
		switch {
		case r.StripPrefix == "":
		case r.Redirect != nil:
			v.noEffect(at)
		case r.StripPrefix == "/":
			v.problem(at, "remove it", `there is nothing to remove from "/"`)
		case !below(r.Path, r.StripPrefix):
			v.problem(at, "strip_prefix: "+r.Path, "no path of this route begins with %s: its path is %s", quote(r.StripPrefix), quote(r.Path))
		case r.Rewrite != nil:
			v.problem(at, "rewrite: / is the same as strip_prefix", "strip_prefix and rewrite exclude each other")
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.StripPrefix == "" {
			return "", ""
		}
		return r.StripPrefix, "without " + r.StripPrefix
	},
}

func parseStripPrefix(s string) (string, error) {
	switch s {
	case "on", "true":
		return stripOn, nil
	case "off", "false":
		return "", nil
	}
	if err := checkRoutePath(s); err != nil {
		return "", err
	}
	return s, nil
}

// below reports whether path is prefix, or a path below it.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(prefix, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

var rewritePolicy = routePolicy{
	key:  "rewrite",
	open: true,
	value: func(r *Route) value {
		return omitted{optional[Rewrite]{p: &r.Rewrite, fresh: newRewrite, fields: (*Rewrite).fields, short: (*Rewrite).short},
			func() bool { return r.Rewrite == nil }}
	},
	fields: func() []field { return newRewrite().fields() },
	check: func(v *validation, path string, r *Route, _ *Config) {
		w, at := r.Rewrite, path+".rewrite"
		switch {
		case w == nil:
		case r.Redirect != nil:
			v.noEffect(at)
		case w.Prefix == "" && (w.Match == "" || w.To == ""):
			v.problem(at, "rewrite: /new, or rewrite: {match: ^/old/(.*)$, to: /new/$1}", "needs a prefix, or match and to")
		case w.Prefix != "" && (w.Match != "" || w.To != ""):
			v.problem(at, "remove prefix, or match and to", "prefix excludes match and to")
		default:
			v.groups(at, w)
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.Rewrite == nil {
			return "", ""
		}
		to := r.Rewrite.Prefix + r.Rewrite.To
		return to, "path becomes " + to
	},
}

func newRewrite() *Rewrite { return &Rewrite{} }

func (w *Rewrite) fields() []field {
	return []field{
		{"prefix", optionalText{&w.Prefix, checkRewritePath}},
		{"match", optionalText{&w.Match, checkPattern}},
		{"to", optionalText{&w.To, checkRewritePath}},
	}
}

func (w *Rewrite) short(text string) error {
	w.Prefix = text
	return checkRewritePath(text)
}

// checkRewritePath accepts a path in the form in which it is sent, with references to groups.
func checkRewritePath(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return wrong("a path such as /v2, or /items/$1", "%s does not begin with a slash", quote(s))
	case strings.ContainsAny(s, "?#"):
		return wrong("the path alone: the query of a request stays", "%s has more than a path", quote(s))
	case len(s) > 2048:
		return wrong("", "the path is longer than 2048 characters")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\"<>^|`+"`", r) }):
		return wrong("percent-encode it: /caf%C3%A9", "%s has a character that a path cannot have", quote(s))
	case strings.Contains(s+"/", "/./") || strings.Contains(s+"/", "/../") || strings.HasPrefix(s, "//"):
		return wrong("", `%s has "//", "." or ".." in it`, quote(s))
	case percentWithoutDigits.MatchString(s):
		return wrong("a percent sign is %25", "%s is not a path", quote(s))
	}
	return nil
}

var percentWithoutDigits = regexp.MustCompile(`%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)`)

func checkPattern(s string) error {
	if len(s) > 1024 {
		return wrong("", "the pattern is longer than 1024 characters")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x7f }) {
		return wrong("write the path as it is sent: caf%C3%A9", "%s has a character that the pattern would never match", quote(s))
	}
	if _, err := regexp.Compile(s); err != nil {
		return wrong("the syntax is that of RE2: https://github.com/google/re2/wiki/Syntax", "%s is not a pattern: %s", quote(s), err)
	}
	return nil
}

// Regexp returns Match as an expression for the whole path.
func (w *Rewrite) Regexp() (*regexp.Regexp, error) { return regexp.Compile(`^(?:` + w.Match + `)$`) }

// groupReference is a reference to a group as [regexp.Regexp.Expand] reads it, or an escaped dollar sign.
var groupReference = regexp.MustCompile(`\$(?:\$|\{([0-9A-Za-z_]+)\}|([0-9A-Za-z_]+)|)`)

// groups checks that every reference of to names a group of match.
func (v *validation) groups(at string, w *Rewrite) {
	if w.Match == "" {
		if strings.Contains(w.Prefix, "$") {
			v.problem(at, "rewrite: {match: ^/old/(.*)$, to: /new/$1}", "%s refers to a group, but a prefix has none", quote(w.Prefix))
		}
		return
	}
	re, err := w.Regexp()
	if err != nil {
		return // reported where match was read
	}
	for _, m := range groupReference.FindAllStringSubmatch(w.To, -1) {
		name := m[1] + m[2]
		if m[0] == "$$" || name != "" && hasGroup(re, name) {
			continue
		}
		hint := "$1 for the first group, $$ for a dollar sign"
		if digits := leadingDigits(name); digits != "" && digits != name && hasGroup(re, digits) {
			hint = "write ${" + digits + "}" + name[len(digits):]
		}
		v.problem(at+".to", hint, "%s is not a group of match", quote(m[0]))
	}
}

func leadingDigits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }

func hasGroup(re *regexp.Regexp, name string) bool {
	if leadingDigits(name) == name {
		n, err := parseWhole(name, 0, re.NumSubexp())
		return err == nil && n <= re.NumSubexp()
	}
	return re.SubexpIndex(name) >= 0
}
