package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/load"
	"github.com/tenfold-go/tenfold/internal/runfile"
)

// findFleet returns the fleet behind the target: by the admin address that was given, or else by the runtime files of this
// user, if a running tenfold listens at the target. It returns nil for a plain target and for a number of nodes that was
// given. It fails only for an admin address that was given.
func (cmd loadCmd) findFleet(ctx context.Context, t *terminal, w *loadWork) (*targetFleet, error) {
	switch {
	case cmd.TargetNodes.given:
		return nil, nil
	case cmd.Admin != "":
		return askFleet(ctx, adminFlags{Admin: cmd.Admin, Token: cmd.Token}, w)
	}
	records, err := runfile.List()
	if err != nil {
		fmt.Fprintf(t.stderr, "note: cannot look for a tenfold behind the target: %v\n", err)
		return nil, nil
	}
	if !usesPort(records, w.url) { // then the name of the host need not be looked up
		return nil, nil
	}
	r := listensAt(records, w.url, addressesOf(ctx, w.url))
	switch {
	case r == nil:
		return nil, nil
	case r.Admin == "":
		return &targetFleet{unknown: fmt.Sprintf("the tenfold in %s has no admin address; --target-nodes N says it", r.Directory)}, nil
	}
	f, err := askFleet(ctx, adminFlags{Admin: r.Admin, Token: r.Token}, w)
	if err != nil {
		return &targetFleet{unknown: fmt.Sprintf("%v; --target-nodes N says it", err)}, nil
	}
	return f, nil
}

// usesPort reports whether a running tenfold listens at the port of the target.
func usesPort(records []runfile.Record, target load.URL) bool {
	return slices.ContainsFunc(records, func(r runfile.Record) bool {
		return slices.ContainsFunc(r.Listen, func(listen string) bool {
			u, err := url.Parse(listen)
			return err == nil && portOf(u) == portOf(target.URL)
		})
	})
}

// addressesOf returns the addresses of the target on this machine, or nil if it is elsewhere.
func addressesOf(ctx context.Context, u load.URL) (here []netip.Addr) {
	if u.Socket != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil
	}
	interfaces, _ := net.InterfaceAddrs() // without them, loopback addresses are known
	for _, a := range addrs {
		a = a.Unmap()
		own := func(i net.Addr) bool {
			prefix, err := netip.ParsePrefix(i.String())
			return err == nil && prefix.Addr().Unmap() == a
		}
		if a.IsLoopback() || a.IsUnspecified() || slices.ContainsFunc(interfaces, own) {
			here = append(here, a)
		}
	}
	return here
}

// listensAt returns the running tenfold that listens at one of the addresses and the port of the target, or nil. A tenfold
// that listens on all addresses has the host localhost in its record. An own address wins over all addresses.
func listensAt(records []runfile.Record, target load.URL, here []netip.Addr) (found *runfile.Record) {
	port := portOf(target.URL)
	for i := range records {
		for _, listen := range records[i].Listen {
			u, err := url.Parse(listen)
			if err != nil || portOf(u) != port || len(here) == 0 {
				continue
			}
			a, err := netip.ParseAddr(u.Hostname())
			switch {
			case err == nil && (slices.Contains(here, a.Unmap()) || slices.ContainsFunc(here, netip.Addr.IsUnspecified)):
				return &records[i]
			case err != nil && u.Hostname() == "localhost" && found == nil:
				found = &records[i]
			}
		}
	}
	return found
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
