package idempotency

import (
	"crypto/sha256"
	"mime"
	"net/http"
	"net/url"
)

// Fingerprint tells whether two requests with one key are the same request. Without HTTP, use a SHA-256 of everything
// that distinguishes two requests: Fingerprint(sha256.Sum256(payload)).
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the SHA-256 of a request's method, path, query, content type and body. It ignores the order of
// the query names, the spelling of the media type, the host and all other headers. Each byte of the body counts, so a
// retry must send the same bytes. FingerprintOf does not read the Body of the request.
func FingerprintOf(r *http.Request, body []byte) Fingerprint {
	h := sha256.New()
	query, contentType := canonicalQuery(r.URL.RawQuery), canonicalType(r.Header.Get("Content-Type"))
	writeParts(h, r.Method, r.URL.EscapedPath(), query, contentType)
	h.Write(body)
	return Fingerprint(h.Sum(nil))
}

func canonicalQuery(raw string) string {
	if q, err := url.ParseQuery(raw); err == nil {
		return q.Encode()
	}
	return raw // a malformed query equals no result of Encode
}

func canonicalType(raw string) string {
	if media, params, err := mime.ParseMediaType(raw); err == nil {
		return mime.FormatMediaType(media, params)
	}
	return raw
}
