package config

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// tlsFiles is the certificate of the gateway, or "off".
type tlsFiles struct{ p **TLS }

func (v tlsFiles) read(r *reader, n strictyaml.Value) {
	var t TLS
	off := false
	block{fields: t.fields(), off: &off}.read(r, n)
	switch {
	case off || r.Broken(n.Path):
		return
	case t.Cert == "" || t.Key == "":
		r.Problem(n, wrong("{cert: shop.crt, key: shop.key}", "needs both, cert and key"))
		return
	}
	if _, err := t.Load(); err != nil {
		r.Problem(n, wrong("cert is the chain in PEM, leaf first; key is its private key in PEM, unencrypted",
			"the certificate and its key cannot be used: %s", err))
		return
	}
	*v.p = &t
}

func (v tlsFiles) show() any {
	if *v.p == nil {
		return "off"
	}
	return showFields((*v.p).fields())
}

// Load reads the certificate and its key. It fails if one of the files cannot be read, or if they do not belong together.
func (t *TLS) Load() (cert tls.Certificate, err error) {
	chain, err := usertext.ReadFile(t.Cert, strictyaml.MaxFile)
	if err != nil {
		return cert, fmt.Errorf("cert: %w", err)
	}
	key, err := usertext.ReadFile(t.Key, strictyaml.MaxFile)
	if err != nil {
		return cert, fmt.Errorf("key: %w", err)
	}
	return tls.X509KeyPair(chain, key)
}

// file is a path relative to the file; it must exist.
type file struct{ p *string }

func (f file) read(r *reader, n strictyaml.Value) {
	path, ok := r.path(n)
	if !ok {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil || !info.Mode().IsRegular():
		r.Problem(n, wrong("", "there is no file %s", quote(path)))
	case info.Size() > strictyaml.MaxFile:
		r.Problem(n, wrong("", "%s is larger than 1MiB", quote(path)))
	default:
		*f.p = path
	}
}

func (f file) show() any { return *f.p }
