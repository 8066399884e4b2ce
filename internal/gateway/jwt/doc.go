// Package jwt verifies bearer tokens (RFC 7519) of the issuer that the configuration names.
//
// It follows RFC 8725: the configuration lists the accepted algorithms, a key verifies only algorithms of its type,
// and input that parsers understand differently is rejected. golang-jwt and the standard library verify the signatures.
//
// A token passes these steps:
//
//	form -> header -> key -> signature -> claims -> subject
//
// Errors, log records and metrics never contain any part of a token.
package jwt
