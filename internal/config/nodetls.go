package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

func newNodeTLS() *NodeTLS { return &NodeTLS{Verify: true} }

// nodeTLS is the tls of a service. It has no short form: https:// in the address switches TLS on.
type nodeTLS struct{ p **NodeTLS }

func (v nodeTLS) read(r *reader, n strictyaml.Value) {
	t := newNodeTLS()
	if _, single := n.Scalar(); single {
		r.Problem(n, wrong(`https:// in the address switches TLS on: nodes: ["https://10.0.0.1:8443"]`,
			"want a mapping, found a single value"))
		return
	}
	r.readFields(n, t.fields())
	if r.Broken(n.Path) {
		return
	}
	if (t.Cert == "") != (t.Key == "") {
		r.Problem(n, wrong("{cert: client.crt, key: client.key}", "a client certificate needs both, cert and key"))
		return
	}
	if _, err := t.Load(); err != nil {
		r.Problem(n, wrong("the files have PEM blocks; the key is unencrypted", "cannot be used: %s", err))
		return
	}
	*v.p = t
}

func (v nodeTLS) show() any {
	if *v.p == nil {
		return nil
	}
	return showFields((*v.p).fields())
}

// Load reads the files and returns the configuration of the connections. For a nil t it returns the defaults. It fails when
// a file cannot be read or has no certificate, or when the client certificate and its key do not belong together.
func (t *NodeTLS) Load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return c, nil
	}
	c.ServerName, c.InsecureSkipVerify = t.ServerName, !t.Verify
	if t.CA != "" {
		pem, err := usertext.ReadFile(t.CA, strictyaml.MaxFile)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca: has no certificate")
		}
	}
	if t.Cert != "" {
		files := KeyPair{Cert: t.Cert, Key: t.Key}
		cert, err := files.Load()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

func checkServerName(s string) error {
	if err := checkHost(s, s); err != nil {
		return wrong("the name in the certificate: shop.internal", "%s is not a host name", quote(s))
	}
	return nil
}

// usesTLS reports whether a node has an https:// address.
func (s *Service) usesTLS() bool {
	return slices.ContainsFunc(s.Addresses, func(a string) bool { return strings.HasPrefix(a, tlsScheme) })
}

// optionalFile is a file that is omitted from the effective file when the path is empty.
type optionalFile struct{ p *string }

func (f optionalFile) read(r *reader, n strictyaml.Value) { file(f).read(r, n) }

func (f optionalFile) show() any {
	if *f.p == "" {
		return nil
	}
	return *f.p
}

// optionalText is a text that is omitted from the effective file when it is empty.
type optionalText struct {
	p     *string
	check func(string) error
}

func (t optionalText) read(r *reader, n strictyaml.Value) { text(t.p, t.check).read(r, n) }

func (t optionalText) show() any {
	if *t.p == "" {
		return nil
	}
	return *t.p
}
