package gateway

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Classes of octets in a decoded path, as bits of one table.
const (
	plainOctet  = 1 << iota // every server reads it in the same way
	simpleOctet             // normalForm only changes its case: plain, A-Z, and characters that variants looks at
)

var pathOctets = func() (t [256]uint8) {
	for c := range 256 {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("/-_~!&'()*,=@", byte(c)) >= 0:
			t[c] = plainOctet | simpleOctet
		case 'A' <= c && c <= 'Z', strings.IndexByte(".;:+$", byte(c)) >= 0:
			t[c] = simpleOctet
		}
	}
	return t
}()

// pathClass returns the classes that all octets of a path have.
func pathClass(path string) uint8 {
	class := uint8(plainOctet | simpleOctet)
	for i := range len(path) {
		class &= pathOctets[path[i]]
	}
	return class
}

// unreadable reports whether a decoded path has control characters or is not UTF-8. Servers remove or replace such
// octets, or end the path at them. An overlong form, such as C0 AF for a slash, is not UTF-8.
func unreadable(path string) bool {
	return !utf8.ValidString(path) || strings.IndexFunc(path, unicode.IsControl) >= 0
}

// normalForm returns a path as the most lenient servers read it: decoded as often as possible, in lower case and
// without accents, with slashes for backslashes, and without dot segments. moved reports whether it has removed a
// parent of a "..". It returns false when the path does not become stable.
//
// It does not change what a server reads only sometimes in another way, such as ";x": see variants.
func normalForm(path string) (normal string, moved, ok bool) {
	if pathClass(path)&simpleOctet != 0 && !strings.Contains(path, "/..") {
		return strings.ToLower(path), false, true
	}
	for range 4 { // folding can produce new escapes: a full-width percent sign becomes a percent sign
		path = foldPath(decodeFully(path))
		if decodeFully(path) == path {
			path, moved = withoutDotSegments(path)
			return path, moved, true
		}
	}
	return "", false, false
}

// decodeFully decodes percent-encoding until none is left: %252e is decoded twice. It also decodes IIS's %u002e.
func decodeFully(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := range len(path) {
		out = append(out, path[i])
		for {
			n := len(out)
			if n >= 6 && out[n-6] == '%' && out[n-5]|0x20 == 'u' {
				if v, ok := hexValue(out[n-4:]); ok {
					out = utf8.AppendRune(out[:n-6], rune(v))
					continue
				}
			}
			if n >= 3 && out[n-3] == '%' {
				if v, ok := hexValue(out[n-2:]); ok {
					out = append(out[:n-3], byte(v))
					continue // the octet may complete another escape
				}
			}
			break
		}
	}
	return string(out)
}

func hexValue(digits []byte) (v uint32, ok bool) {
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint32(c)
	}
	return v, true
}

// foldPath replaces characters that some server or file system treats alike by one of them: letters of another case,
// width or with accents, and all kinds of slashes and dots.
func foldPath(path string) string {
	if strings.IndexFunc(path, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ReplaceAll(strings.ToLower(path), `\`, "/")
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(lenientUTF8(path)) {
		foldRune(&b, r)
	}
	return b.String()
}

func foldRune(b *strings.Builder, r rune) {
	switch {
	case r < utf8.RuneSelf && r != '\\':
		b.WriteRune(unicode.ToLower(r))
		return
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
		return // accents and invisible characters
	case unicode.IsSpace(r):
		r = ' '
	}
	switch r = unicode.ToLower(unicode.ToUpper(r)); r {
	case '\\', '\u2044', '\u2215', '\u2216', '\u29F5', '\u29F8', '\u29F9', '\u00A5', '\u20A9':
		b.WriteByte('/') // code pages of Windows map the others to one of the two slashes
	case 'ß':
		b.WriteString("ss")
	case 'ł':
		b.WriteByte('l')
	case 'đ', 'ð':
		b.WriteByte('d')
	case 'ø':
		b.WriteByte('o')
	default:
		b.WriteRune(r)
	}
}

// lenientUTF8 decodes overlong forms, and takes every other octet that is not UTF-8 for Latin-1.
func lenientUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			if r, n = overlong(s[i:]); n == 0 {
				r, n = rune(s[i]), 1
			}
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// overlong decodes the form of two to four octets at the start of s, whatever its value; n is 0 for another start.
func overlong(s string) (r rune, n int) {
	switch c := s[0]; {
	case c>>5 == 0b110:
		r, n = rune(c&0x1f), 2
	case c>>4 == 0b1110:
		r, n = rune(c&0x0f), 3
	case c>>3 == 0b11110:
		r, n = rune(c&0x07), 4
	}
	if n == 0 || len(s) < n {
		return 0, 0
	}
	for i := 1; i < n; i++ {
		if s[i]>>6 != 0b10 {
			return 0, 0
		}
		r = r<<6 | rune(s[i]&0x3f)
	}
	return r, n
}

// withoutDotSegments resolves dot segments, also with a parameter or with spaces: "..;x" and ".. ".
func withoutDotSegments(path string) (_ string, moved bool) {
	if i := strings.IndexByte(path, 0); i >= 0 {
		path = path[:i] // a program in C reads no further
	}
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.TrimSpace(cutParameter(segment)) {
		case ".", "":
			if strings.IndexByte(segment, ';') >= 0 {
				kept = append(kept, segment) // only some servers drop ";x"
			}
		case "..":
			moved = true
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/"), moved
}

// cutParameter cuts what some servers ignore behind a segment: a parameter (";v=1"), a stream of NTFS ("::$DATA"), and
// what follows a control character.
func cutParameter(segment string) string {
	end := strings.IndexFunc(segment, func(r rune) bool { return r == ';' || r < ' ' || r == 0x7f })
	if end < 0 {
		end = len(segment)
	}
	if colon := strings.IndexByte(segment[:end], ':'); colon >= 0 && strings.IndexByte(segment[colon:end], '$') >= 0 {
		end = colon
	}
	return segment[:end]
}

// trimSegment removes what Windows ignores at the end of a file's name, and spaces in front of it.
func trimSegment(segment string) string {
	return strings.TrimLeft(strings.TrimRight(segment, " .\t\r\n\v\f"), " \t\r\n\v\f")
}

// hasVariants reports whether a segment of a normal form may have more than one variant.
func hasVariants(segment string) bool { return pathClass(segment)&plainOctet == 0 }

// variants appends the ways in which servers read a segment of a normal form: as it is, and as one of the two results
// that follow. An empty variant means that the segment does not count.
func variants(all []string, segment string) []string {
	all = append(all, segment)
	add := func(v string) {
		if v = trimSegment(v); v != segment {
			all = append(all, v)
		}
	}
	cut := cutParameter(segment)
	add(cut)
	if strings.IndexByte(cut, '+') >= 0 { // a space in the syntax of forms
		add(strings.Trim(cut, "+ ."))
	}
	if strings.IndexFunc(segment, unicode.IsControl) >= 0 { // browsers remove some of them
		add(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, segment))
	}
	return all
}

// stems appends the segment without its suffixes: "a.tar.gz" is "a.tar" and "a". No stem is longer than the limit.
func stems(all []string, segment string, limit int) []string {
	for i := 1; i < len(segment) && i <= limit; i++ {
		if segment[i] != '.' {
			continue
		}
		if stem := trimSegment(segment[:i]); stem != "" {
			all = append(all, stem)
		}
	}
	return all
}

// scriptSuffixes are the suffixes of programs that take the rest of the path as their own: "/index.php/api".
var scriptSuffixes = []string{".php", ".php5", ".phtml", ".cgi", ".fcgi", ".wsgi", ".pl", ".py", ".rb", ".jsp", ".asp", ".aspx", ".ashx"}

func isScript(segment string) bool {
	for _, suffix := range scriptSuffixes {
		if strings.HasSuffix(segment, suffix) {
			return true
		}
	}
	return false
}
