package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file has the syntax of single values: a picker, a status, a cookie, a path.

var pickers = []Picker{PickRoundRobin, PickWeighted, PickLeastConn, PickP2C, PickHash}

var hashForm = regexp.MustCompile(`^hash\((header|cookie|ip|path)(?::(.*))?\)$`)

const hashHint = "hash(header:X-User), hash(cookie:name), hash(ip) or hash(path)"

// parseBalance reads the name of a picker, or hash(...) with what to hash.
func parseBalance(s string) (Balance, error) {
	if !strings.HasPrefix(s, "hash") {
		if slices.Contains(pickers, Picker(s)) {
			return Balance{Picker: Picker(s)}, nil
		}
		names := words(pickers)
		hint := strings.Join(names[:4], ", ") + " or " + hashHint
		if near := closest(strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(s)), names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return Balance{}, wrong(hint, "%s is not a way to balance", quote(s))
	}
	m := hashForm.FindStringSubmatch(s)
	if m == nil {
		return Balance{}, wrong(hashHint, "%s does not say what to hash", quote(s))
	}
	b := Balance{Picker: PickHash, By: HashBy(m[1]), Name: m[2]}
	switch needsName := b.By == HashByHeader || b.By == HashByCookie; {
	case needsName && !httpToken.MatchString(b.Name):
		return Balance{}, wrong(hashHint, "%s does not name a %s", quote(s), b.By)
	case !needsName && strings.Contains(s, ":"):
		return Balance{}, wrong("write hash("+string(b.By)+")", "%s has a name, but %s takes none", quote(s), b.By)
	}
	return b, nil
}

// String is the form of the file: "p2c", "hash(header:X-User)".
func (b Balance) String() string {
	switch {
	case b.By == "":
		return string(b.Picker)
	case b.Name == "":
		return fmt.Sprintf("%s(%s)", b.Picker, b.By)
	}
	return fmt.Sprintf("%s(%s:%s)", b.Picker, b.By, b.Name)
}

var (
	statusClass = regexp.MustCompile(`^[1-5]xx$`)
	statusRange = regexp.MustCompile(`^([1-5][0-9][0-9])(?:\.\.([1-5][0-9][0-9]))?$`)
)

// parseStatus reads "200", "2xx" and "200..299".
func parseStatus(s string) (StatusRange, error) {
	if statusClass.MatchString(s) {
		from := int(s[0]-'0') * 100
		return StatusRange{from, from + 99}, nil
	}
	m := statusRange.FindStringSubmatch(s)
	if m == nil {
		return StatusRange{}, wrong("200, 2xx or 200..299", "%s is not a status", quote(s))
	}
	from, _ := strconv.Atoi(m[1]) // three digits
	to := from
	if m[2] != "" {
		to, _ = strconv.Atoi(m[2])
	}
	if from > to {
		return StatusRange{}, wrong(fmt.Sprintf("write %d..%d", to, from), "%s starts above its end", quote(s))
	}
	return StatusRange{from, to}, nil
}

// String is the form of the file: "200", "2xx" or "200..399".
func (r StatusRange) String() string {
	switch {
	case r.From == r.To:
		return strconv.Itoa(r.From)
	case r.From%100 == 0 && r.To == r.From+99:
		return strconv.Itoa(r.From/100) + "xx"
	}
	return fmt.Sprintf("%d..%d", r.From, r.To)
}

// httpToken is the syntax of names of headers, cookies and methods (token, RFC 9110 section 5.6.2).
var httpToken = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$")

// parseSticky reads the name of a cookie. "off" switches stickiness off, so no cookie can have that name.
func parseSticky(s string) (string, error) {
	switch {
	case s == "off":
		return "", nil
	case !httpToken.MatchString(s):
		return "", wrong(`letters, digits, - and _, or "off"`, "%s is not a name for a cookie", quote(s))
	}
	return s, nil
}

func printSticky(name string) string {
	if name == "" {
		return "off"
	}
	return name
}

// checkProbePath accepts the target of a request line: a path, optionally with a query.
func checkProbePath(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return wrong("a path such as /readyz", "%s is not a path", quote(s))
	case len(s) > 2048:
		return wrong("", "the path is longer than 2048 characters")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }):
		return wrong("percent-encode it", "%s has a character that a path cannot have", quote(s))
	}
	if _, err := url.ParseRequestURI(s); err != nil {
		return wrong("a percent sign is %25", "%s is not a path", quote(s))
	}
	return nil
}

func checkProbeBody(s string) error {
	if len(s) > 4096 {
		return wrong("", "is longer than 4096 characters")
	}
	return nil
}
