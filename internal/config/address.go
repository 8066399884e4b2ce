package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// parseListen accepts what a listener binds: ":8080", "127.0.0.1:8080", "[::1]:8080", "localhost:8080". Port 0 lets the
// system choose.
func parseListen(s string) (string, error) {
	if unitless.MatchString(s) {
		return "", wrong("write :"+s, "%s is not an address", quote(s))
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

func parseAdminListen(s string) (string, error) {
	if s == "off" {
		return s, nil
	}
	return parseListen(s)
}

// parseNodeAddress accepts what a connection goes to: a host and a port.
func parseNodeAddress(s string) (string, error) {
	host, port, err := splitAddress(s)
	switch {
	case err != nil:
		return "", err
	case host == "":
		return "", wrong("write 127.0.0.1"+s+" for this machine", "%s names no host", quote(s))
	}
	if err := checkHost(host, s); err != nil {
		return "", err
	}
	return s, checkPort(port, 1, s)
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
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
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
