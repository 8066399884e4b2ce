package problem

import (
	"html"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// writeHTML answers with a plain page. It tells a person no more than the JSON tells a program.
func (p *Problem) writeHTML(w http.ResponseWriter, r *http.Request, x *exchange.Exchange) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	writeBody(w, r, p.Status, "text/html; charset=utf-8", p.html(x))
}

func (p *Problem) html(x *exchange.Exchange) []byte {
	title := strconv.Itoa(p.Status) + " " + http.StatusText(p.Status)
	id := ""
	if x != nil && x.RequestID != "" {
		id = `<br>request ` + html.EscapeString(x.RequestID)
	}
	return []byte(strings.NewReplacer("{title}", html.EscapeString(title), "{detail}", html.EscapeString(sentence(p.Detail)),
		"{reason}", html.EscapeString(p.Reason), "{id}", id).Replace(htmlText))
}

const htmlText = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto 0; padding: 0 1rem }
  small { opacity: .7 }
</style>
<h1>{title}</h1>
<p>{detail}</p>
<p><small>{reason}{id}</small></p>
</html>
`

// sentence returns a detail as a sentence.
func sentence(detail string) string {
	if detail == "" {
		return ""
	}
	first, n := utf8.DecodeRuneInString(detail)
	detail = string(unicode.ToUpper(first)) + detail[n:]
	if strings.ContainsAny(detail[len(detail)-1:], ".!?") {
		return detail
	}
	return detail + "."
}
