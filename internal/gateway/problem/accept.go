package problem

import (
	"strconv"
	"strings"
)

// AcceptsPage reports whether a client with these Accept fields gets a page of a media type: unless it prefers JSON, or does
// not accept the type.
func AcceptsPage(accept []string, mediaType string) bool {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	q := quality(accept, mediaType)
	return q > 0 && q >= jsonQuality(accept)
}

// prefersHTML reports whether a client prefers HTML to JSON, as browsers do.
func prefersHTML(accept []string) bool {
	return quality(accept, "text/html") > jsonQuality(accept)
}

func jsonQuality(accept []string) float64 {
	return max(quality(accept, "application/problem+json"), quality(accept, "application/json"))
}

// quality returns the weight of a media type in Accept fields (RFC 9110 section 12.5.1): that of the most specific range that
// matches. Without a field every type is acceptable. A malformed range is ignored.
func quality(accept []string, mediaType string) float64 {
	if len(accept) == 0 {
		return 1
	}
	kind, _, _ := strings.Cut(mediaType, "/")
	q, specific := 0.0, -1
	for _, list := range accept {
		for element := range strings.SplitSeq(list, ",") {
			name, parameters, _ := strings.Cut(element, ";")
			rank := -1
			switch name = strings.ToLower(strings.TrimSpace(name)); name {
			case mediaType:
				rank = 2
			case kind + "/*":
				rank = 1
			case "*/*":
				rank = 0
			}
			if rank <= specific {
				continue
			}
			if weight, ok := weightOf(parameters); ok {
				q, specific = weight, rank
			}
		}
	}
	return q
}

// weightOf returns the weight among the parameters of a range; 1 without one.
func weightOf(parameters string) (float64, bool) {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		return q, err == nil && q >= 0 && q <= 1 && len(value) <= 5
	}
	return 1, true
}
