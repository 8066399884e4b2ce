package exchange

import (
	"net/http"
	"strconv"
	"strings"
)

// Page is the body of an error that the configuration names. It may have the placeholders {status}, {title}, {reason} and
// {request_id}. None of their values needs to be escaped in HTML.
type Page struct {
	Type string // the media type, with its charset
	Text string
}

// Pages finds the page of an error.
type Pages interface {
	// Page returns the page for a status, or nil. ofService says that the service has made the error, not the gateway.
	Page(status int, ofService bool) *Page
}

// Expand returns the body for one response.
func (p *Page) Expand(x *Exchange, status int) []byte {
	if strings.IndexByte(p.Text, '{') < 0 {
		return []byte(p.Text)
	}
	return []byte(strings.NewReplacer(
		"{status}", strconv.Itoa(status), "{title}", http.StatusText(status), "{reason}", x.Reason, "{request_id}", x.RequestID,
	).Replace(p.Text))
}
