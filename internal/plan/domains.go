package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Domain is a part of the data that could live in a database of its own.
type Domain struct {
	Name  string `json:"name,omitempty"`
	Bytes Bytes  `json:"bytes,omitempty"` // 0: an equal share of what the others leave
}

// Domains are written on a command line as a number, "5", or by name, "orders=30TB,users=2TB,catalog".
type Domains []Domain

const maxDomains = 1000

// UnmarshalText reads "5" or "orders=30TB,users=2TB,catalog".
func (d *Domains) UnmarshalText(text []byte) error {
	if n, err := strconv.Atoi(string(text)); err == nil {
		if n < 1 || n > maxDomains {
			return fmt.Errorf("%d domains: want 1 to %d", n, maxDomains)
		}
		*d = make(Domains, n)
		return nil
	}
	var all Domains
	seen := map[string]bool{}
	for part := range strings.SplitSeq(string(text), ",") {
		name, size, sized := strings.Cut(part, "=")
		one := Domain{Name: strings.TrimSpace(name)}
		if _, err := parseNumber(one.Name); one.Name == "" || err == nil || seen[one.Name] || len(all) == maxDomains {
			return fmt.Errorf("%q is not a domain: want a number of them, or distinct names, for example orders=30TB,users", part)
		}
		seen[one.Name] = true
		if sized {
			if err := one.Bytes.UnmarshalText([]byte(size)); err != nil {
				return fmt.Errorf("domain %q: %w", one.Name, err)
			}
		}
		all = append(all, one)
	}
	*d = all
	return nil
}

// bytes is the data of the domains whose size was given.
func (d Domains) bytes() (sum float64) {
	for _, one := range d {
		sum += float64(one.Bytes)
	}
	return sum
}

// shares of the data, and of the load, that each domain has: by size where it was given, equal otherwise.
func (q Question) shares(a *Answer, l load) []float64 {
	named, unnamed := q.Domains.bytes(), 0
	for _, d := range q.Domains {
		if d.Bytes == 0 {
			unnamed++
		}
	}
	if unnamed > 0 {
		a.assume(aboutDatabase, "the domains without a size share the data and the writes equally (better: --domains "+
			"orders=30TB,users=2TB)")
	}
	shares := make([]float64, len(q.Domains))
	for i, d := range q.Domains {
		switch {
		case l.bytes == 0:
			shares[i] = 1 / float64(len(shares))
		case d.Bytes > 0:
			shares[i] = float64(d.Bytes) / l.bytes
		default:
			shares[i] = (l.bytes - named) / l.bytes / float64(unnamed)
		}
	}
	return shares
}
