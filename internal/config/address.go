package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// parseListen accepts what a listener of the gateway binds: an address, or http:// or https:// and an address.
func parseListen(s string) (string, error) {
	scheme, address := cutScheme(s)
	if host, _, more := cutAny(address, "/?#"); scheme != "" && more {
		return "", wrong("write "+scheme+host, "%s has a path, and an address has none", quote(s))
	}
	address, err := parseAddress(address)
	return scheme + address, err
}

// parseAddress accepts what a listener binds: ":8080", "127.0.0.1:8080", "[::1]:8080", "localhost:8080", and a port alone,
// which stands for all addresses of the machine. Port 0 lets the system choose.
func parseAddress(s string) (string, error) {
	if portAlone.MatchString(s) {
		s = ":" + s
	}
	host, port, err := splitAddress(s)
	if err == nil && host != "" {
		err = checkHost(host, s)
	}
	if err == nil {
		err = checkPort(port, 0, s)
	}
	return s, err
}

// AdminAuto is the admin address of a file that names none: DefaultAdmin, or a free port when another program has that one.
const (
	AdminAuto    = "auto"
	DefaultAdmin = "127.0.0.1:9090"
)

// parseAdminListen is parseListen for the admin address. A port alone stands for this machine only, because other
// machines need a token.
func parseAdminListen(s string) (string, error) {
	if s == "off" || s == AdminAuto {
		return s, nil
	}
	if portAlone.MatchString(s) {
		s = "127.0.0.1:" + s
	}
	if strings.HasPrefix(s, tlsScheme) {
		return "", wrong("listen on 127.0.0.1, or put a proxy with TLS in front", "%s: the admin address does not speak TLS", quote(s))
	}
	return parseAddress(s)
}

// portAlone is an address that is only a port.
var portAlone = regexp.MustCompile(`^[0-9]+$`)

const (
	plainScheme = "http://"
	tlsScheme   = "https://"
	unixScheme  = "unix:"
)

// parseNodeAddress accepts what a connection goes to: host:port, https://host:port or unix:/path.
func parseNodeAddress(s string) (string, error) {
	if path, ok := strings.CutPrefix(s, unixScheme); ok {
		return s, checkSocketPath(path, s)
	}
	rest, secure := strings.CutPrefix(s, tlsScheme)
	if secure {
		if err := checkTLSAddress(rest, s); err != nil {
			return "", err
		}
	}
	host, port, err := splitAddress(rest)
	switch {
	case err != nil:
		return "", err
	case host == "":
		scheme := strings.TrimSuffix(s, rest)
		return "", wrong("write "+scheme+"127.0.0.1"+rest+" for this machine", "%s names no host", quote(s))
	}
	if err := checkHost(host, s); err != nil {
		return "", err
	}
	return s, checkPort(port, 1, s)
}

// checkTLSAddress checks what follows https://. Its hints keep the scheme.
func checkTLSAddress(rest, whole string) error {
	authority, _, more := cutAny(rest, "/?#")
	switch _, _, err := net.SplitHostPort(authority); {
	case strings.Contains(authority, "@"):
		return wrong("a client certificate is services.NAME.tls", "%s has a user name in it", quote(maskUser(whole)))
	case more && err == nil:
		return wrong("write "+tlsScheme+authority, "%s has a path, and an address has none", quote(whole))
	case err != nil && authority != "" && !strings.Contains(strings.Trim(authority, "[]"), ":"):
		return wrong("write "+tlsScheme+authority+":443", "%s has no port", quote(whole))
	case err != nil:
		return wrong(tlsScheme+"host:port, such as "+tlsScheme+"10.0.0.1:8443", "%s is not an address", quote(whole))
	}
	return nil
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

// maskUser hides the user name and the password of a URL.
func maskUser(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	return scheme + "://" + mask + rest[strings.LastIndex(rest, "@"):]
}

// maxSocketPath is the length of a socket's path that every system accepts.
const maxSocketPath = 103

func checkSocketPath(path, whole string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return wrong("such as unix:/run/app.sock", "%s has no absolute path", quote(whole))
	case len(path) > maxSocketPath || strings.ContainsRune(path, 0):
		return wrong("", "%s has a path that a socket cannot have: at most %d bytes", quote(whole), maxSocketPath)
	}
	return nil
}

func splitAddress(s string) (host, port string, err error) {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		rest, _, _ = strings.Cut(rest, "/")
		return "", "", wrong("write "+rest, "%s is a URL, want host:port", quote(s))
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		hint := "host:port, such as 10.0.0.1:8080"
		if addr, err := netip.ParseAddr(s); err == nil {
			hint = "write " + netip.AddrPortFrom(addr, 8080).String() + " with your port"
			i := max(0, strings.LastIndexByte(s, ':'))
			if before, err := netip.ParseAddr(s[:i]); err == nil { // the last part can be a port
				hint = "write [" + before.String() + "]" + s[i:] + ", or " + strings.TrimPrefix(hint, "write ")
			}
		}
		return "", "", wrong(hint, "%s is not host:port", quote(s))
	}
	return host, port, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*\.?$`)

// checkHost accepts an IP address or a name.
func checkHost(host, whole string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	looksNumeric := strings.Trim(host, "0123456789.") == ""
	if looksNumeric || len(host) > 253 || !hostName.MatchString(host) {
		return wrong("", "%s in %s is neither an IP address nor a host name", quote(host), quote(whole))
	}
	return nil
}

func checkPort(port string, least int, whole string) error {
	n, err := strconv.Atoi(port)
	if err != nil || n < least || n > 65535 || !digits.MatchString(port) {
		return wrong("", "%s in %s is not a port: from %d to 65535", quote(port), quote(whole), least)
	}
	return nil
}

// fixed reports whether the file names an address.
func (a *Admin) fixed() bool { return a.Listen != "off" && a.Listen != AdminAuto }

// loopback reports whether only this machine reaches the listen address.
func loopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// overlap reports whether two listen addresses cannot both be bound.
func overlap(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (hostA == hostB || everyAddress(hostA) || everyAddress(hostB))
}

func everyAddress(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

// prefixes is a list of peers: networks such as "10.0.0.0/8", or single addresses.
func prefixes(p *[]netip.Prefix) value {
	return list[netip.Prefix]{p: p, parse: parsePrefix, print: netip.Prefix.String, most: 10_000}
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if a := prefix.Addr(); err == nil && a.Is4In6() && prefix.Bits() >= 96 { // addresses are compared without the mapping
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	switch {
	case err != nil:
		return prefix, wrong("such as 10.0.0.0/8 or 10.1.2.3", "%s is neither a network nor an IP address", quote(s))
	case prefix != prefix.Masked():
		return prefix, wrong("write "+prefix.Masked().String(), "%s has bits set outside of its mask", quote(s))
	}
	return prefix, nil
}

// checkStore never quotes its argument: a URL may hold a password.
func checkStore(s string) error {
	if s == "auto" || s == "none" {
		return nil
	}
	const hint = `"auto", "none" or a URL such as redis://10.0.0.5:6379/0`
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" {
		return wrong(hint, "is neither a redis:// nor a rediss:// URL")
	}
	port := u.Port()
	switch {
	case u.Hostname() == "":
		return wrong(hint, "the URL names no host")
	case port != "" && checkPort(port, 1, "") != nil:
		return wrong(hint, "%s is not a port: from 1 to 65535", quote(port))
	case strings.Trim(u.Path, "/") != "" && !digits.MatchString(strings.TrimPrefix(u.Path, "/")):
		return wrong("the path is a database number: redis://host:6379/0", "the URL has a path that is not a number")
	case u.Fragment != "":
		return wrong("write # as %23 in a password", "the URL has a fragment (#...)")
	}
	if password, _ := u.User.Password(); password == mask {
		return wrong("write the real password", "the password is masked (***)")
	}
	return nil
}

// maskStore hides user name and password.
func maskStore(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	host := u.Host
	u.User, u.Host = nil, ""
	_, rest, _ := strings.Cut(u.String(), "://")
	return u.Scheme + "://:" + mask + "@" + host + rest
}
