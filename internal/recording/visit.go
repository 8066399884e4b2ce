package recording

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Options say what becomes of a recording.
type Options struct {
	Source string // how the recording is called in the file
	Host   string // host of the service, with its port; "": that of the first page
	Assets bool   // keep style sheets, scripts, images and fonts of the service
}

// FromHAR returns the visit that a HAR file shows. It fails if the file is not a HAR file, is larger than a limit or has
// no request to the service.
func FromHAR(r io.Reader, o Options) (*Journey, error) {
	entries, err := readHAR(r)
	if err != nil {
		return nil, err
	}
	v := &visit{options: o, j: &Journey{Source: o.Source}, skipped: map[string]int{}, search: maxSearch}
	base := v.service(entries)
	if base == nil {
		return nil, fmt.Errorf("no request to %s", cmp.Or(o.Host, "an http:// or https:// address"))
	}
	v.j.Target = base.Scheme + "://" + base.Host
	for i := range entries {
		if v.keeps(&entries[i], base) {
			v.kept = append(v.kept, &entries[i])
		}
	}
	if len(v.kept) > maxSteps {
		v.note("the first %d of %d requests are kept: a visit has at most so many steps", maxSteps, len(v.kept))
		v.kept = v.kept[:maxSteps]
	}
	v.collectSecrets(entries)
	v.parsed = make([]any, len(v.kept))
	v.steps = make([]Step, len(v.kept))
	for i := range v.kept {
		v.step(i)
	}
	v.noteSkipped()
	if len(v.steps) == 0 {
		return nil, fmt.Errorf("no request to %s is left: all were style sheets, images or failed", base.Host)
	}
	v.j.Visitors = []Visitor{{Name: "visitor", Weight: 1, Steps: v.steps}}
	return v.j, nil
}

// visit turns the entries of a HAR file into steps.
type visit struct {
	options Options
	j       *Journey
	kept    []*entry
	parsed  []any // JSON of the responses, when it was needed
	steps   []Step
	vars    []variable
	secrets map[string]bool // values of cookies and credentials
	skipped map[string]int  // why requests were left out

	values int // of requests that were looked at so far
	search int // bytes of responses that may still be searched
}

// Limits on the work for a hostile recording.
const (
	maxSecrets = 2_000
	maxValues  = 20_000
	maxSearch  = 1 << 30 // bytes
)

func (v *visit) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(v.j.Notes) < 100 && !slices.Contains(v.j.Notes, text) {
		v.j.Notes = append(v.j.Notes, text)
	}
}

// service returns the base URL of the service: that of the host that was asked for, or of the first page, or else of the
// first request.
func (v *visit) service(entries []entry) *url.URL {
	var first *url.URL
	for i := range entries {
		e := &entries[i]
		switch {
		case e.url.Scheme != "http" && e.url.Scheme != "https" || e.url.Hostname() == "":
		case v.options.Host != "":
			if strings.EqualFold(e.url.Host, v.options.Host) || strings.EqualFold(e.url.Hostname(), v.options.Host) {
				return e.url
			}
		case e.Type == "document" || e.Type == "" && strings.HasPrefix(e.Response.Content.Type, "text/html") && e.Response.Status < 300:
			return e.url
		case first == nil:
			first = e.url
		}
	}
	return first
}

// keeps reports whether a request becomes a step, and counts why not.
func (v *visit) keeps(e *entry, base *url.URL) bool {
	skip := func(why string) bool { v.skipped[why]++; return false }
	switch {
	case e.url.Scheme != "http" && e.url.Scheme != "https":
		return skip("not over HTTP (data:, blob:, ws: or an extension)")
	case e.url.Host != base.Host || e.url.Scheme != base.Scheme:
		return skip("to the other host " + e.url.Scheme + "://" + e.url.Host)
	case e.Response.Status == 0:
		return skip("without a response")
	case e.Response.Status == 101 || e.Type == "websocket":
		return skip("WebSockets")
	case e.Request.Method == http.MethodOptions:
		return skip("OPTIONS (preflights of the browser)")
	case !validMethod.MatchString(e.Request.Method) || e.Request.Method == http.MethodConnect:
		return skip("with a method that a journey cannot have")
	case len(e.url.RequestURI()) > maxText:
		return skip(fmt.Sprintf("with a path longer than %d characters", maxText))
	case !v.options.Assets && e.isAsset():
		return skip("style sheets, scripts, images, fonts and media (--assets keeps them)")
	}
	return true
}

var validMethod = regexp.MustCompile(`^[A-Z]{1,20}$`)

// noteSkipped names what was left out, the hosts first.
func (v *visit) noteSkipped() {
	for _, why := range sortedKeys(v.skipped) {
		v.note("left out: %d %s", v.skipped[why], why)
	}
}

// collectSecrets collects the values of all cookies and credentials: they must not appear anywhere in the journey.
func (v *visit) collectSecrets(entries []entry) {
	v.secrets = map[string]bool{}
	add := func(value string) {
		plain, err := url.QueryUnescape(value)
		for _, form := range []string{value, plain} {
			if len(form) >= 6 && len(form) <= 4*maxText && (err == nil || form == value) && len(v.secrets) < maxSecrets {
				v.secrets[form] = true
			}
		}
	}
	all := slices.Clone(v.kept) // first, because their number is limited
	for i := range entries {
		all = append(all, &entries[i])
	}
	for _, e := range all {
		for _, c := range slices.Concat(e.Request.Cookies, e.Response.Cookies) {
			add(c.Value)
		}
		for _, line := range header(e.Request.Headers, "Cookie") {
			for part := range strings.SplitSeq(line, ";") {
				_, value, _ := strings.Cut(part, "=")
				add(strings.TrimSpace(value))
			}
		}
		for _, name := range []string{"Authorization", "Proxy-Authorization"} {
			for _, line := range header(e.Request.Headers, name) {
				_, credentials, _ := strings.Cut(line, " ")
				add(cmp.Or(credentials, line))
			}
		}
	}
}

// step sets the step of the kept entry i.
func (v *visit) step(i int) {
	e, s := v.kept[i], &v.steps[i]
	s.Method = e.Request.Method
	s.Path = v.path(i)
	v.headers(i)
	v.body(i)
	if status := e.Response.Status; status >= 400 && status < 600 || status >= 300 && status < 400 && status != http.StatusNotModified {
		s.Status = status
	}
	if i+1 < len(v.kept) {
		ended := e.Started.Add(time.Duration(max(0, min(e.Time, 1e9)) * float64(time.Millisecond)))
		s.Think = thinkTime(v.kept[i+1].Started.Sub(ended))
	}
}

// thinkTime rounds a pause. Requests that a page makes at once have none.
func thinkTime(d time.Duration) time.Duration {
	switch {
	case d < 50*time.Millisecond:
		return 0
	case d < time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return min(d.Round(100*time.Millisecond), maxThink)
}
