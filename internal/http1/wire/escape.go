package wire

const upperHex = "0123456789ABCDEF"

// EscapePath percent-encodes the octets of an encoded path that RFC 3986 section 3.3 does not allow there, such as
// letters beyond ASCII and "|". It changes no escape and no other octet. It returns s itself when nothing changes.
func EscapePath(s string) string { return escape(s, pathOctet) }

// EscapeQuery does the same for a query (section 3.4). A "%" without two digits stays, because its meaning is not known.
func EscapeQuery(s string) string { return escape(s, queryOctet) }

func escape(s string, class uint8) string {
	n := 0
	for i := range len(s) {
		if octets[s[i]]&class == 0 {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; octets[c]&class == 0 {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
