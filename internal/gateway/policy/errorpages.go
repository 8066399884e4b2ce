package policy

import (
	"mime"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// Pages are the pages of a route, and those of the whole configuration behind them.
type Pages struct {
	byKey   map[string]*exchange.Page // by "404" and "4xx"
	service bool                      // for errors of the service, too
	outer   *Pages                    // nil for none
}

// LoadPages reads the files of cfg. outer has the pages for other statuses; it may be nil, and so may cfg.
func LoadPages(cfg *config.ErrorPages, outer *Pages) (*Pages, error) {
	if cfg == nil {
		return outer, nil
	}
	p := &Pages{byKey: map[string]*exchange.Page{}, service: cfg.Service, outer: outer}
	for key, file := range cfg.Files {
		page, err := LoadPage(file)
		if err != nil {
			return nil, err
		}
		p.byKey[key] = page
	}
	return p, nil
}

// LoadPage reads a page.
func LoadPage(file string) (*exchange.Page, error) {
	text, err := config.ReadPage(file)
	if err != nil {
		return nil, err
	}
	return &exchange.Page{Type: mediaType(file), Text: text}, nil
}

// mediaType returns the media type of a page by the ending of its name. It does not depend on tables of the system.
func mediaType(file string) string {
	switch filepath.Ext(file) {
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".svg", ".xml":
		return mime.TypeByExtension(filepath.Ext(file))
	}
	return "text/html; charset=utf-8"
}

// Page implements exchange.Pages.
func (p *Pages) Page(status int, ofService bool) *exchange.Page {
	for ; p != nil; p = p.outer {
		if ofService && !p.service {
			continue
		}
		if page := p.byKey[strconv.Itoa(status)]; page != nil {
			return page
		}
		if page := p.byKey[strconv.Itoa(status/100)+"xx"]; page != nil {
			return page
		}
	}
	return nil
}

// OfGateway returns the same pages for errors of the gateway alone.
func (p *Pages) OfGateway() *Pages { return &Pages{byKey: p.byKey} }

// ofService reports whether there are pages for errors of the service.
func (p *Pages) ofService() bool {
	return p != nil && (p.service || p.outer.ofService())
}

// ErrorPages gives errors the pages of p. For the gateway's own errors it notes them in the exchange, for package problem. It
// replaces errors of the service if p says so.
func ErrorPages(p *Pages) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r)
			x.Pages = p
			if p.ofService() && !exchange.IsGRPC(r) {
				w = &errorWriter{ResponseWriter: w, request: r, exchange: x}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// errorWriter replaces the bodies of errors of the service.
type errorWriter struct {
	http.ResponseWriter
	request  *http.Request
	exchange *exchange.Exchange
	decided  bool
	replaced bool // the body of the service is dropped
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *errorWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *errorWriter) WriteHeader(status int) {
	if status < 200 || w.decided {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.decided = true
	page := w.page(status)
	if page == nil {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.replaced = true
	h := w.Header()
	for _, name := range ofTheBody {
		delete(h, name)
	}
	body := page.Expand(w.exchange, status)
	h.Set("Content-Type", page.Type)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Add("Vary", "Accept")
	w.ResponseWriter.WriteHeader(status)
	if w.request.Method != http.MethodHead {
		w.ResponseWriter.Write(body)
	}
}

// ofTheBody are the fields that describe a body which is replaced.
var ofTheBody = []string{
	"Accept-Ranges", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Md5",
	"Content-Range", "Content-Type", "Digest", "Etag", "Last-Modified", "Repr-Digest", "Content-Digest", "Trailer",
}

// page returns the page for a response of the service, or nil for one that stays. A replayed response is the service's.
func (w *errorWriter) page(status int) *exchange.Page {
	own := w.exchange.Reason != "" && w.exchange.Reason != "replayed"
	if status < 400 || own {
		return nil
	}
	page := w.exchange.Pages.Page(status, true)
	if page == nil || !problem.AcceptsPage(w.request.Header["Accept"], page.Type) {
		return nil
	}
	return page
}

func (w *errorWriter) Write(p []byte) (int, error) {
	if !w.decided {
		w.WriteHeader(http.StatusOK)
	}
	if w.replaced {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
