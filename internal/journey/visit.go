package journey

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Visit is one visit in progress, with its cookies and extracted values. It is for one goroutine at a time.
type Visit struct {
	*Visitor

	// ID is the value of ${visit.id}: 32 random hexadecimal digits. It may be changed before the first step, for example
	// to make the same visit twice.
	ID string

	j      *Journey
	base   *url.URL
	number int64
	jar    *cookiejar.Jar
	values map[string]string
}

// Visit begins the visit with that number, from 0, to the service at base. The kind of visitor is drawn from random.
func (j *Journey) Visit(base *url.URL, number int64, random *rand.Rand) *Visit {
	return j.visit(j.pick(random), base, number)
}

// VisitAs begins a visit of one kind of visitor, with the number 0.
func (j *Journey) VisitAs(visitor *Visitor, base *url.URL) *Visit {
	return j.visit(visitor, base, 0)
}

func (j *Journey) visit(visitor *Visitor, base *url.URL, number int64) *Visit {
	jar, _ := cookiejar.New(nil) // never fails
	// The ID does not come from the seeded random source: a user name made of it must be free in the next test, too.
	var id [16]byte
	crand.Read(id[:]) // never fails
	return &Visit{
		Visitor: visitor, ID: hex.EncodeToString(id[:]),
		j: j, base: base, number: number, jar: jar, values: map[string]string{},
	}
}

// Variables that every visit has.
const (
	visitID     = "visit.id"
	visitNumber = "visit.number" // from 0, in the order in which visits begin
)

// value returns the value of a variable.
func (v *Visit) value(name string) (string, bool) {
	if value, ok := v.values[name]; ok {
		return value, true
	}
	switch name {
	case visitID:
		return v.ID, true
	case visitNumber:
		return strconv.FormatInt(v.number, 10), true
	}
	file, column, _ := strings.Cut(name, ".")
	if t := v.j.tables[file]; t != nil {
		return t.value(v.number, column)
	}
	return "", false
}

// request returns the request of a step. It fails with an *Error if a value makes the request invalid.
func (v *Visit) request(ctx context.Context, s *Step) (*http.Request, error) {
	path, err := s.path.expandPath(v.value)
	if err != nil {
		return nil, &Error{s, "request", err.Error()}
	}
	u, err := v.base.Parse(path)
	switch {
	case err != nil:
		return nil, &Error{s, "request", "path " + quote(path) + " is not valid"}
	case u.Scheme != v.base.Scheme || u.Host != v.base.Host:
		return nil, &Error{s, "request", "path " + quote(path) + " leads to another server"}
	}
	r := (&http.Request{
		Method: s.Method, URL: u, Header: http.Header{"User-Agent": {"tenfold"}},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if err := v.setBody(r, s); err != nil {
		return nil, &Error{s, "request", err.Error()}
	}
	for _, f := range s.header {
		text, err := f.value.expand(v.value)
		if err == nil && (!validHeaderValue(text) || f.name == "Host" && !wire.ValidHost(text)) {
			err = fmt.Errorf("header %s cannot contain %s", f.name, quote(text))
		}
		if err != nil {
			return nil, &Error{s, "request", err.Error()}
		}
		r.Header.Set(f.name, text)
	}
	r.Host = r.Header.Get("Host")
	delete(r.Header, "Host")
	for _, c := range v.jar.Cookies(u) {
		r.AddCookie(c)
	}
	return r, nil
}

// check keeps the cookies of a response, compares the response with what the step expects, and extracts the values for
// later steps. It fails with an *Error, which ends the visit.
func (v *Visit) check(s *Step, sent *url.URL, r *Response) error {
	if r.Header["Set-Cookie"] != nil {
		v.jar.SetCookies(sent, (&http.Response{Header: r.Header}).Cookies())
	}
	p := &parsed{Response: r}
	if short, full := s.expect.check(p, v.value); short != "" {
		return &Error{s, short, full}
	}
	for _, e := range s.extract {
		text, err := e.from.take(p, v.jar.Cookies(sent))
		if err != nil {
			full := fmt.Sprintf("extract %s: %v", e.name, err)
			if e.from.readsBody() {
				full += "; " + beginning(r.Body)
			}
			return &Error{s, "extract " + e.name, full}
		}
		v.values[e.name] = text
	}
	return nil
}

// Error says that a step failed, so that the visit cannot go on.
type Error struct {
	Step  *Step
	short string
	full  string
}

func (e *Error) Error() string { return fmt.Sprintf("step %q: %s", e.Step.Name, e.full) }

// Kind returns the error without the values that differ from visit to visit, so that errors can be counted by kind.
func (e *Error) Kind() string { return e.Step.Name + ": " + e.short }

// validHeaderValue implements RFC 9110 section 5.5. A line end in a value would make two headers of one.
func validHeaderValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
