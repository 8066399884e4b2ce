package policy

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// PathChange returns another path for a path, both percent-encoded. It returns false when the path stays.
type PathChange func(escaped string) (string, bool)

// maxRewritten limits the length of a new path.
const maxRewritten = 16 << 10

// Rewrite gives the service another path than the client has sent. All other policies, the route and the log go by the
// client's path. avoids reports whether the new path would be the way around the policies of another route; such a request is
// refused, and so is a new path that servers read in different ways.
func Rewrite(change PathChange, avoids func(r *http.Request) bool) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			escaped, ok := change(r.URL.EscapedPath())
			if !ok || r.URL.Path == "*" {
				next.ServeHTTP(w, r)
				return
			}
			u, ok := withPath(r.URL, escaped)
			switch {
			case len(escaped) > maxRewritten:
				problem.Write(w, r, problem.URITooLong)
				return
			case !ok || ambiguousPath(u.Path):
				problem.Write(w, r, problem.PathDots)
				return
			}
			changed := *r
			changed.URL = u
			if avoids(&changed) {
				problem.Write(w, r, problem.PathRewritten)
				return
			}
			next.ServeHTTP(w, &changed)
		})
	}
}

// withPath returns a URL with another path.
func withPath(u *url.URL, escaped string) (*url.URL, bool) {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, false
	}
	changed := *u
	changed.Path, changed.RawPath = path, ""
	if changed.EscapedPath() != escaped {
		changed.RawPath = wire.EscapePath(escaped)
	}
	return &changed, true
}

// StripPrefix removes a prefix of whole segments, and adds it to X-Forwarded-Prefix. prefix is decoded.
func StripPrefix(prefix string, avoids func(r *http.Request) bool) Policy {
	rewrite := Rewrite(ReplacePrefix(prefix, "/"), avoids)
	escaped := (&url.URL{Path: prefix}).EscapedPath()
	return func(next http.Handler) http.Handler {
		stripped := rewrite(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := cutSegments(r.URL.EscapedPath(), prefix); ok {
				outer := r.Header.Get("X-Forwarded-Prefix") // of a trusted proxy
				if strings.HasPrefix(outer, "/") {
					outer = strings.TrimRight(outer, "/")
				} else {
					outer = ""
				}
				r.Header["X-Forwarded-Prefix"] = []string{outer + escaped}
			}
			stripped.ServeHTTP(w, r)
		})
	}
}

// ReplacePrefix replaces a prefix of whole segments by a path. prefix is decoded, path is encoded.
func ReplacePrefix(prefix, path string) PathChange {
	base := strings.TrimRight(path, "/")
	return func(escaped string) (string, bool) {
		_, rest, ok := cutSegments(escaped, prefix)
		if !ok {
			return "", false
		}
		if rest != "" {
			rest = onePathSlash(rest)
		}
		if base+rest == "" {
			return "/", true
		}
		return base + rest, true
	}
}

// cutSegments cuts as many segments from the start of an encoded path as prefix has. It returns false when they are not
// those of prefix.
func cutSegments(escaped, prefix string) (head, rest string, ok bool) {
	if prefix == "/" {
		return "", escaped, true
	}
	end := 0
	for range strings.Count(prefix, "/") {
		if end >= len(escaped) || escaped[end] != '/' {
			return "", "", false
		}
		next := strings.IndexByte(escaped[end+1:], '/')
		if next < 0 {
			end = len(escaped)
		} else {
			end += 1 + next
		}
	}
	decoded, err := url.PathUnescape(escaped[:end])
	return escaped[:end], escaped[end:], err == nil && decoded == prefix
}

// ReplaceMatch replaces a path that matches the whole expression by a template with its groups. The expression sees letters,
// digits and the characters -._~ decoded, and everything else as it is sent.
func ReplaceMatch(re *regexp.Regexp, template string) PathChange {
	return func(escaped string) (string, bool) {
		normal := decodeUnreserved(escaped)
		m := re.FindStringSubmatchIndex(normal)
		if m == nil {
			return "", false
		}
		return onePathSlash(string(re.ExpandString(nil, template, normal, m))), true
	}
}

// decodeUnreserved decodes what RFC 3986 section 6.2.2.2 calls equivalent, and writes other escapes in upper case.
func decodeUnreserved(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		escape := strings.ToUpper(s[i : i+3])
		if c, err := url.PathUnescape(escape); err == nil && unreserved(c[0]) {
			b.WriteByte(c[0])
		} else {
			b.WriteString(escape)
		}
		i += 2
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// NewPathChange returns the change of a route's rewrite. path is that of the route.
func NewPathChange(cfg config.Rewrite, path string) (PathChange, error) {
	if cfg.Match == "" {
		return ReplacePrefix(path, cfg.Prefix), nil
	}
	re, err := cfg.Regexp()
	if err != nil {
		return nil, err
	}
	return ReplaceMatch(re, cfg.To), nil
}
