package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// TLS says where the certificates of the gateway come from. In the file, tls: auto and tls: local stand for Auto alone.
type TLS struct {
	// Auto gets the certificates for the hosts of the routes. "on" orders them from a certificate authority by ACME (RFC
	// 8555), and makes those for localhost by a local authority. "local" makes all of them by the local authority, for
	// localhost and loopback addresses only. Default "off".
	Auto Auto
	Cert string // the same as the first of Certificates; needs Key
	Key  string // needs Cert
	// Certificates are files. A connection gets the certificate for its server name: a name before a wildcard, else the first
	// certificate of the list. They are read again when the files change.
	Certificates []KeyPair
	ACME         ACME
	// Storage is where certificates of Auto and their keys are kept: a directory, or "store" for the store, so that
	// gateways share them. Default: the directory "certificates" in the state directory of tenfold.
	Storage  string
	Redirect bool          // plain listeners on port 80 redirect to https, if a listener speaks TLS on port 443; default true
	HSTS     time.Duration // Strict-Transport-Security on responses over TLS: "off", "on" for a year, or a duration; default "off"
}

// KeyPair names a certificate and its private key. Both files must exist and belong together.
type KeyPair struct {
	Cert string // PEM file, leaf first; an absolute path once read
	Key  string // PEM file, unencrypted; an absolute path once read
}

// ACME says which certificate authority issues the certificates of Auto.
type ACME struct {
	Directory string // https:// URL of the authority's directory, http:// on loopback only; default Let's Encrypt
	Email     string // where the authority may write to; default none
	CA        string // PEM file of authorities that are trusted for the directory itself; default: those of the system
}

// Auto names how certificates are made.
type Auto string

// The ways to make certificates.
const (
	AutoOff   Auto = "off"
	AutoOn    Auto = "on"
	AutoLocal Auto = "local"
)

// StorageInStore is the value of TLS.Storage for the store.
const StorageInStore = "store"

// LetsEncrypt is the default directory of ACME.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

func newTLS() *TLS {
	return &TLS{Auto: AutoOff, Redirect: true, ACME: ACME{Directory: LetsEncrypt}}
}

func (t *TLS) fields() []field {
	return []field{
		{"auto", choice(&t.Auto, "on, local or off", "a value of auto", AutoOff, AutoOn, AutoLocal)},
		{"cert", optionalFile{&t.Cert}},
		{"key", optionalFile{&t.Key}},
		{"certificates", keyPairs{&t.Certificates}},
		{"acme", block{fields: t.ACME.fields()}},
		{"storage", storage{&t.Storage}},
		{"redirect", toggle(&t.Redirect)},
		{"hsts", scalar[time.Duration]{&t.HSTS, parseHSTS, printHSTS}},
	}
}

func (p *KeyPair) fields() []field {
	return []field{
		{"cert", file{&p.Cert}},
		{"key", file{&p.Key}},
	}
}

func (a *ACME) fields() []field {
	return []field{
		{"directory", text(&a.Directory, checkDirectory)},
		{"email", optionalText{&a.Email, checkEmail}},
		{"ca", optionalFile{&a.CA}},
	}
}

// Pairs returns all certificate files: Cert and Key, then Certificates.
func (t *TLS) Pairs() (all []KeyPair) {
	if t.Cert != "" {
		all = append(all, KeyPair{t.Cert, t.Key})
	}
	return append(all, t.Certificates...)
}

// gatewayTLS is the tls of the gateway.
type gatewayTLS struct{ p **TLS }

func (v gatewayTLS) read(r *reader, n strictyaml.Value) {
	t, off := newTLS(), false
	block{fields: t.fields(), off: &off, short: t.short}.read(r, n)
	switch {
	case off || r.Broken(n.Path):
		return
	case (t.Cert == "") != (t.Key == ""):
		r.Problem(n, wrong("{cert: shop.crt, key: shop.key}", "needs both, cert and key"))
		return
	case t.Auto == AutoOff && len(t.Pairs()) == 0:
		r.Problem(n, wrong("tls: auto, tls: {cert: shop.crt, key: shop.key}, or tls: off", "names no certificate"))
		return
	}
	if t.Cert != "" {
		checkKeyPair(r, n, KeyPair{t.Cert, t.Key})
	}
	if !r.Broken(n.Path) {
		*v.p = t
	}
}

func (t *TLS) short(text string) error {
	switch text {
	case "auto":
		t.Auto = AutoOn
	case "local":
		t.Auto = AutoLocal
	default:
		return wrong(`auto, local or off, or a mapping: {cert: shop.crt, key: shop.key}`, "%s is not a value of tls", quote(text))
	}
	return nil
}

func (v gatewayTLS) show() any {
	if *v.p == nil {
		return "off"
	}
	return showFields((*v.p).fields())
}

// checkKeyPair reports a problem at n when the files cannot be used.
func checkKeyPair(r *reader, n strictyaml.Value, pair KeyPair) {
	if _, err := pair.Load(); err != nil {
		r.Problem(n, wrong("cert is the chain in PEM, leaf first; key is its private key in PEM, unencrypted",
			"the certificate and its key cannot be used: %s", err))
	}
}

const maxKeyPairs = 1000

// keyPairs is a list of certificates.
type keyPairs struct{ p *[]KeyPair }

func (v keyPairs) read(r *reader, n strictyaml.Value) {
	if !n.IsList() {
		r.WrongKind(n, "a list of certificates: [{cert: shop.crt, key: shop.key}]")
		return
	}
	items := r.List(n)
	if len(items) > maxKeyPairs {
		r.Problem(n, wrong("", "%d certificates are too many: at most %d", len(items), maxKeyPairs))
		return
	}
	for _, item := range items {
		var pair KeyPair
		r.readFields(item, pair.fields())
		switch {
		case r.Broken(item.Path):
			continue
		case pair.Cert == "" || pair.Key == "":
			r.Problem(item, wrong("{cert: shop.crt, key: shop.key}", "needs both, cert and key"))
			continue
		}
		checkKeyPair(r, item, pair)
		*v.p = append(*v.p, pair)
	}
}

func (v keyPairs) show() any {
	if len(*v.p) == 0 {
		return nil
	}
	all := make([][]shown, len(*v.p))
	for i := range *v.p {
		all[i] = showFields((*v.p)[i].fields())
	}
	return all
}

// storage is a directory, which tenfold creates when it needs it, or "store".
type storage struct{ p *string }

func (s storage) read(r *reader, n strictyaml.Value) {
	if text, single := n.Scalar(); single && text == StorageInStore {
		*s.p = text
		return
	}
	if path, ok := r.path(n); ok {
		*s.p = path
	}
}

func (s storage) show() any { return optionalText{p: s.p}.show() }

func checkDirectory(s string) error {
	u, err := url.Parse(s)
	plain := err == nil && u.Scheme == "http" && IsLocalName(u.Hostname())
	if err != nil || u.Scheme != "https" && !plain || u.Host == "" || u.User != nil || len(s) > 2048 || strings.ContainsAny(s, " \t") {
		return wrong("such as "+LetsEncrypt, "%s is not the https:// URL of a directory", quote(maskDirectory(s)))
	}
	return nil
}

// maskDirectory hides a password in a URL that is not accepted.
func maskDirectory(s string) string {
	if scheme, rest, ok := strings.Cut(s, "://"); ok && strings.Contains(rest, "@") {
		return maskUser(scheme + "://" + rest)
	}
	return s
}

var email = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}$`)

func checkEmail(s string) error {
	if !email.MatchString(s) {
		return wrong("admin@shop.example", "%s is not an email address", quote(s))
	}
	return nil
}
