package certificate

import (
	"crypto/tls"
	"os"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
)

// pair is a certificate and its key, as read from two files at one time.
type pair struct {
	files config.KeyPair
	cert  *tls.Certificate
	seen  [2]os.FileInfo // of the files, before they were read
}

// readPair reads a certificate and its key.
func readPair(files config.KeyPair) (*pair, error) {
	p := &pair{files: files}
	for i, path := range []string{files.Cert, files.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		p.seen[i] = info
	}
	cert, err := files.Load()
	if err != nil {
		return nil, err
	}
	p.cert = &cert
	return p, nil
}

// changed reports whether one of the files is another one than before, or has changed. Stat follows links: a link that leads
// to another file, as certbot and Kubernetes make them, is a change.
func (p *pair) changed() bool {
	for i, path := range []string{p.files.Cert, p.files.Key} {
		info, err := os.Stat(path)
		old := p.seen[i]
		if err != nil || !os.SameFile(info, old) || info.Size() != old.Size() || !info.ModTime().Equal(old.ModTime()) {
			return true
		}
	}
	return false
}

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
