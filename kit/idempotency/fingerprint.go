package idempotency

import (
	"crypto/sha256"
	"mime"
	"net/http"
	"net/url"
)

// Fingerprint tells whether two requests under one key are the same request. Where there is no HTTP request, any SHA-256
// of what makes the difference will do: Fingerprint(sha256.Sum256(payload)).
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the SHA-256 of a request's method, path, query, content type and body. The order of the query's
// names and the spelling of the media type do not count; each byte of the body does, so a retry has to send the same bytes.
// Other headers do not count, nor does the host. The request's own Body is not read.
func FingerprintOf(r *http.Request, body []byte) Fingerprint {
	h := sha256.New()
	writeParts(h, r.Method, r.URL.EscapedPath(), canonicalQuery(r.URL.RawQuery), canonicalType(r.Header.Get("Content-Type")))
	h.Write(body)
	return Fingerprint(h.Sum(nil))
}

func canonicalQuery(raw string) string {
	if q, err := url.ParseQuery(raw); err == nil {
		return q.Encode()
	}
	return raw // what cannot be parsed is like nothing that Encode returns
}

func canonicalType(raw string) string {
	if media, params, err := mime.ParseMediaType(raw); err == nil {
		return mime.FormatMediaType(media, params)
	}
	return raw
}
