package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// A token is "ID.SECRET". The ID has 128 bits, identifies the session and never changes. The secret has 256 bits,
// proves that the session belongs to the visitor, and changes at each renewal. So a renewal changes one key: nothing is
// copied between keys while requests write, and a logout ends the session with any token. The store holds the ID and
// the hash of the whole token.
const (
	idBytes     = 16
	secretBytes = 32
	idLength    = 22 // characters of base64
	tokenLength = idLength + 1 + 43
)

var coding = base64.RawURLEncoding.Strict()

func newID() string             { return randomText(idBytes) }
func newToken(id string) string { return id + "." + randomText(secretBytes) }
func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return coding.EncodeToString(b)
}

// parseToken returns the ID of a token. It accepts only texts that newToken can return, so a malformed cookie never
// reaches the store.
func parseToken(token string) (id string, ok bool) {
	if len(token) != tokenLength || token[idLength] != '.' {
		return "", false
	}
	id = token[:idLength]
	_, err1 := coding.DecodeString(id)
	_, err2 := coding.DecodeString(token[idLength+1:])
	return id, err1 == nil && err2 == nil
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return coding.EncodeToString(sum[:])
}
