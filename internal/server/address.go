package server

import (
	"net"

	"github.com/tenfold-go/tenfold/internal/status"
)

// URLs returns the addresses of the gateway as URLs that a browser on this machine can open. They are known after Open.
func (s *Server) URLs() (all []string) {
	addresses, secure := s.gateway.Serving()
	for i, a := range addresses {
		scheme := "http"
		if secure[i] {
			scheme = "https"
		}
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

// StoreURL returns what the nodes get as REDIS_URL, or "" without a store. It may have a password. It is known after Open.
func (s *Server) StoreURL() string { return s.store.URL() }

// DescribeStore names the kind of store in a few words, without secrets. It adds when the store does not answer.
func (s *Server) DescribeStore() string {
	if s.store.Health().Up {
		return s.store.Describe()
	}
	return s.store.Describe() + " (does not answer yet)"
}

// storeStatus translates the state of the store for the console.
func (s *Server) storeStatus() status.Store {
	h := s.store.Health()
	shown := status.Store{Description: s.store.Describe(), Up: h.Up, Since: h.Since}
	if h.Err != nil {
		shown.Err = h.Err.Error()
	}
	return shown
}
