package journey

import (
	crand "crypto/rand"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
)

// Visit is one visitor on the way: cookies, and the values taken so far. It is for one goroutine at a time.
type Visit struct {
	*Visitor
	j      *Journey
	base   *url.URL
	number int64
	id     string
	jar    *cookiejar.Jar
	values map[string]string
}

// Visit begins the visit of that number, from 0, to the service at base. What kind of visitor it is, is drawn from random.
func (j *Journey) Visit(base *url.URL, number int64, random *rand.Rand) *Visit {
	return j.visit(j.pick(random), base, number)
}

// Rehearse begins a visit of a certain kind.
func (j *Journey) Rehearse(kind *Visitor, base *url.URL) *Visit {
	return j.visit(kind, base, 0)
}

func (j *Journey) visit(kind *Visitor, base *url.URL, number int64) *Visit {
	jar, _ := cookiejar.New(nil) // never fails
	var id [16]byte
	crand.Read(id[:]) // not from random: a name that a visit takes must be free in the next run, too. It never fails
	return &Visit{Visitor: kind, j: j, base: base, number: number, id: hex.EncodeToString(id[:]), jar: jar, values: map[string]string{}}
}

// Variables that every visit has.
const (
	visitID     = "visit.id"     // 32 hexadecimal digits, another one on each visit of each run
	visitNumber = "visit.number" // from 0, in the order in which visits begin
)

func (v *Visit) value(name string) (string, bool) {
	if value, ok := v.values[name]; ok {
		return value, true
	}
	switch name {
	case visitID:
		return v.id, true
	case visitNumber:
		return strconv.FormatInt(v.number, 10), true
	}
	file, column, _ := strings.Cut(name, ".")
	if t := v.j.tables[file]; t != nil {
		return t.value(v.number, column)
	}
	return "", false
}

// Request returns what a step sends now. An error is an *Error: a value makes no request.
func (v *Visit) Request(s *Step) (*Request, error) {
	path, err := s.path.expand(v.value)
	if err != nil {
		return nil, &Error{s, "request", err.Error()}
	}
	u, err := v.base.Parse(path)
	switch {
	case err != nil:
		return nil, &Error{s, "request", "path " + quote(path) + " is not one"}
	case u.Scheme != v.base.Scheme || u.Host != v.base.Host:
		return nil, &Error{s, "request", "path " + quote(path) + " leads to another server"}
	}
	r := &Request{Method: s.Method, URL: u, Header: http.Header{"User-Agent": {"tenfold"}}, HasBody: s.hasBody}
	if r.Body, err = s.body.expand(v.value); err != nil {
		return nil, &Error{s, "request", err.Error()}
	}
	for _, f := range s.header {
		text, err := f.value.expand(v.value)
		if err == nil && !validHeaderValue(text) {
			err = fmt.Errorf("header %s cannot carry %s", f.name, quote(text))
		}
		if err != nil {
			return nil, &Error{s, "request", err.Error()}
		}
		r.Header.Set(f.name, text)
	}
	for _, c := range v.jar.Cookies(u) {
		(&http.Request{Header: r.Header}).AddCookie(c)
	}
	return r, nil
}

// Answer keeps the cookies of what came back, judges it, and takes the values that later steps use. An error is an
// *Error: the visit ends here.
func (v *Visit) Answer(s *Step, sent *Request, r *Response) error {
	if r.Header["Set-Cookie"] != nil {
		v.jar.SetCookies(sent.URL, (&http.Response{Header: r.Header}).Cookies())
	}
	a := &answered{Response: r}
	if short, full := s.expect.check(a, v.value); short != "" {
		return &Error{s, short, full}
	}
	for _, e := range s.extract {
		text, err := e.from.take(a, v.jar.Cookies(sent.URL))
		if err != nil {
			full := fmt.Sprintf("extract %s: %v", e.name, err)
			if e.from.readsBody() {
				full += "; " + begins(r.Body)
			}
			return &Error{s, "extract " + e.name, full}
		}
		v.values[e.name] = text
	}
	return nil
}

// Error says that a visit could not go on.
type Error struct {
	Step  *Step
	short string
	full  string
}

func (e *Error) Error() string { return fmt.Sprintf("step %q: %s", e.Step.Name, e.full) }

// Kind is the error without the values that differ from visit to visit: what can be counted.
func (e *Error) Kind() string { return e.Step.Name + ": " + e.short }

// validHeaderValue is RFC 9110 section 5.5, which keeps one header from becoming two.
func validHeaderValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
