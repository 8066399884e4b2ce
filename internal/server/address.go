package server

import "net"

// URLs returns the addresses of the gateway as URLs that a browser on this machine can open. They are known after Open.
func (s *Server) URLs() (all []string) {
	scheme := "http"
	if s.cfg.TLS != nil {
		scheme = "https"
	}
	for _, a := range s.gateway.Addrs() {
		host, port, _ := net.SplitHostPort(a.String())
		if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
			host = "localhost"
		}
		all = append(all, scheme+"://"+net.JoinHostPort(host, port))
	}
	return all
}

// AdminAddr returns the admin address. It is known after Open, and nil when the console is off.
func (s *Server) AdminAddr() net.Addr { return s.console.Addr() }

// DescribeStore names the kind of store in a few words, without secrets.
func (s *Server) DescribeStore() string { return s.store.Describe() }
