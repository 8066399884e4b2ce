package status

import "time"

// Certificate is one certificate of the gateway at one instant, or a name that has none yet.
type Certificate struct {
	Names   []string  `json:"names"`
	Source  string    `json:"source"`         // file, acme, local
	File    string    `json:"file,omitempty"` // of a file; for local, the root
	Issuer  string    `json:"issuer,omitempty"`
	Expires time.Time `json:"expires,omitzero"` // not set without a certificate
	Err     string    `json:"error,omitempty"`  // why there is no certificate, or no newer one
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// Certificates returns the certificates of the gateway.
func (v *View) Certificates() (all []Certificate) {
	for _, c := range v.gateway.Certificates() {
		all = append(all, Certificate{
			Names: c.Names, Source: c.Source, File: c.File, Issuer: c.Issuer, Expires: c.Expires, Err: c.Err, RetryAt: c.RetryAt,
		})
	}
	return all
}
