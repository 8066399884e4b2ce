package recording

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits on what an access log keeps in memory, whatever its length is.
const (
	maxLine     = 64 << 10
	maxRequests = 2_000_000
	maxPaths    = 20_000
	maxClients  = 200_000
	sessionGap  = 30 * time.Minute // a longer pause begins another visit
)

// FromLog returns the mix of visitors that an access log shows. Clients are told apart by what the log has: their address,
// and their browser where it is logged. The requests of a client, without a pause of half an hour, are a visit. The most
// frequent visits become visitors with several steps, and the requests of all others visitors with one step, so that each
// path keeps its share of the requests. It fails if the lines have none of the known formats.
func FromLog(r io.Reader, format Format, o Options) (*Journey, error) {
	l := &accessLog{options: o, j: &Journey{Source: o.Source}, paths: map[string]int32{}, open: map[string]*session{},
		skipped: map[string]int{}, visits: map[string]*pattern{}}
	if err := l.read(r, format); err != nil {
		return nil, err
	}
	for _, s := range l.open {
		l.close(s)
	}
	return l.journey()
}

// accessLog counts the visits of an access log.
type accessLog struct {
	options  Options
	j        *Journey
	paths    map[string]int32 // numbers of the paths
	names    []string         // and their texts
	open     map[string]*session
	visits   map[string]*pattern // by their paths
	requests int
	skipped  map[string]int
}

// session is a visit that may still go on.
type session struct {
	paths  []int32
	pauses []time.Duration
	last   time.Time
}

// pattern is a sequence of paths, and how often a visit followed it.
type pattern struct {
	paths  []int32
	count  int
	pauses []time.Duration // sums
}

func (l *accessLog) read(r io.Reader, format Format) error {
	reader := skipMark(r)
	lines, wrong, firstWrong := 0, 0, 0
	parse, err := parserOf(reader, format)
	if err != nil {
		return err
	}
	for {
		line, tooLong, err := readLine(reader)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if lines++; l.requests == maxRequests {
			l.note("only the first %d requests were read", maxRequests)
			break
		}
		if strings.TrimSpace(line) == "" && !tooLong {
			continue
		}
		record, ok := parse(line)
		if tooLong || !ok {
			if wrong++; firstWrong == 0 {
				firstWrong = lines
			}
			continue
		}
		l.add(record)
	}
	switch {
	case wrong > 0 && wrong*2 > lines:
		return fmt.Errorf("%d of %d lines are not of the format of the log, the first is line %d", wrong, lines, firstWrong)
	case wrong > 0:
		l.note("%d of %d lines are not of the format of the log, the first is line %d: they are left out", wrong, lines, firstWrong)
	}
	return nil
}

func (l *accessLog) note(format string, args ...any) {
	l.j.Notes = append(l.j.Notes, fmt.Sprintf(format, args...))
}

// add counts a request, or why it is left out.
func (l *accessLog) add(r record) {
	skip := func(why string) { l.skipped[why]++ }
	path, ok := l.path(r.target)
	switch {
	case r.method == "":
		skip("lines that are no HTTP request")
	case l.options.Host != "" && r.host != "" && !strings.EqualFold(r.host, l.options.Host):
		skip("requests to other hosts")
	case r.method != http.MethodGet && r.method != http.MethodHead:
		skip(r.method[:min(len(r.method), 10)] + " requests: a log has no bodies, so add them by hand")
	case r.status >= 400 || r.status < 200:
		skip("requests that failed or had no response")
	case !ok:
		skip("requests with a path that is too long or not valid")
	case !l.options.Assets && isAssetPath(strings.SplitN(path, "?", 2)[0]):
		skip("style sheets, scripts, images and fonts (--assets keeps them)")
	case len(l.paths) >= maxPaths && l.number(path) < 0:
		skip(fmt.Sprintf("requests to further paths: the log has more than %d", maxPaths))
	default:
		l.requests++
		l.session(r).request(l.number(path), r.at)
	}
}

// path returns the template of a path, with secrets of its query replaced.
func (l *accessLog) path(target string) (string, bool) {
	if len(target) > maxText || !utf8.ValidString(target) {
		return "", false
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil && looksSecret(plain) {
			segments[i] = Placeholder
		}
	}
	path := escapeTemplate(strings.Join(segments, "/"))
	if u.RawQuery == "" {
		return path, true
	}
	parts := strings.Split(u.RawQuery, "&")
	for i, part := range parts {
		key, value, _ := strings.Cut(part, "=")
		name, errName := url.QueryUnescape(key)
		plain, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil || looksSecret(name) {
			return "", false
		}
		if isSecret(name, plain) {
			parts[i] = key + "=" + Placeholder
		}
	}
	return path + "?" + escapeTemplate(strings.Join(parts, "&")), true
}

// number returns the number of a path, or -1 if there are too many paths.
func (l *accessLog) number(path string) int32 {
	n, known := l.paths[path]
	if !known && len(l.paths) >= maxPaths {
		return -1
	}
	if !known {
		n = int32(len(l.names))
		l.paths[path] = n
		l.names = append(l.names, path)
	}
	return n
}

// session returns the visit of the client of r. Each request of an unknown client is one visit.
func (l *accessLog) session(r record) *session {
	s := l.open[r.client]
	gone := s != nil && (r.client == "" || r.at.Sub(s.last) > sessionGap || len(s.paths) == maxSteps)
	if gone {
		l.close(s)
	}
	if s == nil && len(l.open) >= maxClients { // forget all that are open: their visits are counted
		for _, other := range l.open {
			l.close(other)
		}
		clear(l.open)
	}
	if s == nil || gone {
		s = &session{}
		l.open[r.client] = s
	}
	return s
}

func (s *session) request(path int32, at time.Time) {
	if len(s.paths) > 0 {
		s.pauses = append(s.pauses, max(0, at.Sub(s.last)))
	}
	s.paths, s.last = append(s.paths, path), at
}

// close counts a visit that has ended.
func (l *accessLog) close(s *session) {
	var key strings.Builder
	for _, p := range s.paths {
		fmt.Fprintf(&key, "%x.", p)
	}
	p := l.visits[key.String()]
	if p == nil {
		p = &pattern{paths: s.paths, pauses: make([]time.Duration, len(s.pauses))}
		l.visits[key.String()] = p
	}
	p.count++
	for i, pause := range s.pauses {
		p.pauses[i] += pause
	}
}
