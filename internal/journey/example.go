package journey

import (
	"net/http"
	"net/url"
	"strings"
)

// Example returns the request of the step to the service at base, with 1 in place of each variable: enough to tell where
// a gateway leads it. It returns nil if the path is not valid then, or leads to another server.
func (s *Step) Example(base *url.URL) *http.Request {
	value := func(string) (string, bool) { return "1", true }
	path, err := s.path.expandPath(value)
	if err != nil {
		return nil
	}
	if !strings.HasPrefix(path, "/") { // the whole path is a variable
		path = "/" + path
	}
	u, err := base.Parse(path)
	if err != nil || u.Host != base.Host {
		return nil
	}
	r := &http.Request{Method: s.Method, URL: u, Host: u.Host, Header: http.Header{}}
	for _, f := range s.header {
		if text, err := f.value.expand(value); err == nil {
			r.Header.Set(f.name, text)
		}
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	delete(r.Header, "Host")
	return r
}
