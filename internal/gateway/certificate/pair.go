package certificate

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/filewatch"
)

// pair is a certificate and its key, as read from two files at one time.
type pair struct {
	files config.KeyPair
	cert  *tls.Certificate
	seen  filewatch.States // of the files, before they were read
}

// readPair reads a certificate and its key.
func readPair(files config.KeyPair) (*pair, error) {
	p := &pair{files: files, seen: filewatch.Look(files.Cert, files.Key)}
	cert, err := files.Load()
	if err != nil {
		return nil, err
	}
	p.cert = &cert
	return p, nil
}

// changed reports whether one of the files is another one than before, or has changed. A link that leads to another file, as
// certbot and Kubernetes make them, is a change.
func (p *pair) changed() bool { return !filewatch.Look(p.files.Cert, p.files.Key).Equal(p.seen) }

// names returns the host names and the IP addresses of the certificate.
func (p *pair) names() (all []string) {
	for _, name := range p.cert.Leaf.DNSNames {
		all = append(all, strings.ToLower(name))
	}
	for _, ip := range p.cert.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}
