package load

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// URL is where a target is.
type URL struct {
	*url.URL
	Socket string // path of the unix socket of the server; "" for TCP
}

// Redacted returns the URL for a report. It never contains a password.
func (u URL) Redacted() string {
	if u.Socket == "" {
		return u.URL.Redacted()
	}
	return "unix:" + u.Socket + ":" + u.RequestURI()
}

// ParseURL reads the URL of a target:
//
//	http://HOST/PATH, https://HOST/PATH
//	unix:/run/shop.sock, unix:/run/shop.sock:/PATH, http://unix:/run/shop.sock:/PATH  as in nginx
//	http+unix://%2Frun%2Fshop.sock/PATH                                               as in Docker's clients
//
// It percent-encodes what a path and a query cannot contain, as browsers do, and drops a fragment, which is never sent.
// A host outside of ASCII becomes its IDNA form. ParseURL fails if the URL has another form, no host, or has
// a user or a password.
func ParseURL(raw string) (URL, error) {
	raw = strings.TrimSpace(raw)
	socket, rest, err := cutSocket(raw)
	if err != nil {
		return URL{}, fmt.Errorf("target %q: %w", raw, err)
	}
	if socket != "" {
		rest = "http://localhost" + rest
	}
	u, err := url.Parse(escape(rest))
	switch {
	case err != nil:
		return URL{}, fmt.Errorf("target %q: not a URL", raw)
	case u.Scheme != "http" && u.Scheme != "https":
		return URL{}, fmt.Errorf("target %q: want a URL that begins with http:// or https://, or unix:/path/of.sock", raw)
	case u.Hostname() == "":
		return URL{}, fmt.Errorf("target %q: no host", raw)
	case u.User != nil:
		return URL{}, fmt.Errorf(
			"target %q: a password in the URL would appear in the report: use an Authorization header", u.Redacted())
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Host, err = asciiHost(u.Host); err != nil {
		return URL{}, fmt.Errorf("target %q: %w", raw, err)
	}
	return URL{u, socket}, nil
}

// cutSocket returns the path of a unix socket and the path and query after it. It returns "" and raw for other URLs.
func cutSocket(raw string) (socket, rest string, err error) {
	if encoded, ok := strings.CutPrefix(raw, "http+unix://"); ok {
		end := strings.IndexAny(encoded, "/?#")
		if end < 0 {
			end = len(encoded)
		}
		if socket, err = url.PathUnescape(encoded[:end]); err != nil || socket == "" {
			return "", "", errors.New("want http+unix://%2Frun%2Fshop.sock/path, or unix:/run/shop.sock:/path")
		}
		return socket, "/" + strings.TrimPrefix(encoded[end:], "/"), nil
	}
	if strings.HasPrefix(raw, "https://unix:/") {
		return "", "", errors.New("TLS over a unix socket is not supported")
	}
	path, ok := strings.CutPrefix(strings.TrimPrefix(raw, "http://"), "unix:")
	if !ok {
		return "", raw, nil
	}
	path = strings.TrimPrefix(path, "//") // unix:///run/shop.sock
	socket, rest, _ = strings.Cut(path, ":")
	if socket == "" || rest != "" && rest[0] != '/' {
		return "", "", errors.New("want unix:/run/shop.sock or unix:/run/shop.sock:/path")
	}
	if rest == "" {
		rest = "/"
	}
	return socket, rest, nil
}

// escape percent-encodes what the path and the query of a URL cannot contain.
func escape(raw string) string {
	_, after, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	begin := len(raw) - len(after)
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		return raw
	}
	return raw[:begin+end] + usertext.EscapeURL(after[end:], "")
}

// asciiHost returns the IDNA form of a host with an optional port.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(r rune) bool { return r >= 0x80 }) < 0 {
		return host, nil
	}
	name, port, hasPort := strings.Cut(host, ":")
	name, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", fmt.Errorf("host %q is not a valid name", host)
	}
	if hasPort {
		name += ":" + port
	}
	return name, nil
}

// address returns the network and the address of a server.
func (u URL) address() (network, address string) {
	if u.Socket != "" {
		return "unix", u.Socket
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return "tcp", net.JoinHostPort(u.Hostname(), port)
}
