package config

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Load reads the certificate and its key. It fails if one of the files cannot be read, or if they do not belong together.
func (p KeyPair) Load() (cert tls.Certificate, err error) {
	chain, err := usertext.ReadFile(p.Cert, strictyaml.MaxFile)
	if err != nil {
		return cert, fmt.Errorf("cert: %w", err)
	}
	key, err := usertext.ReadFile(p.Key, strictyaml.MaxFile)
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
	r.names(path)
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
