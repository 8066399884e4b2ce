package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// Errors of the storage interfaces that a caller can handle. All other errors are faults.
var (
	ErrNotFound    = errors.New("not found")
	ErrNameTaken   = errors.New("name is taken")
	ErrCartFull    = fmt.Errorf("a cart holds at most %d products and %d of each", maxCartLines, maxQuantity)
	ErrUnavailable = errors.New("store does not respond") // retry later
)

// problem is an error response as RFC 9457 defines it. It is an error, so that a handler can return it.
type problem struct {
	Title  string `json:"title"` // set from Status
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Later  bool   `json:"-"` // adds Retry-After, as every 503 has
}

func (p *problem) Error() string { return p.Detail }

// refuse returns the error for a request that the client must change.
func refuse(status int, format string, args ...any) error {
	return &problem{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// handlerFunc is a handler that returns errors instead of responding to them.
type handlerFunc func(http.ResponseWriter, *http.Request) error

// answer responds to the errors of a handler: it chooses status and public text, and logs faults of the shop.
func (s *Shop) answer(h handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		p := publicProblem(err)
		if p.Status >= 500 && r.Context().Err() == nil { // an error after a disconnect is not a fault
			s.log.Error("request failed", "route", r.Pattern, "status", p.Status, "err", err)
		}
		writeProblem(w, p)
	})
}

func publicProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return &problem{Status: http.StatusNotFound, Detail: err.Error()}
	case errors.Is(err, ErrNameTaken), errors.Is(err, ErrCartFull):
		return &problem{Status: http.StatusConflict, Detail: err.Error()}
	case errors.Is(err, idempotency.ErrInvalidKey):
		return &problem{Status: http.StatusBadRequest, Detail: err.Error()}
	case errors.Is(err, idempotency.ErrMismatch):
		return &problem{Status: http.StatusUnprocessableEntity, Detail: err.Error()}
	case errors.Is(err, idempotency.ErrInFlight):
		return &problem{Status: http.StatusConflict, Detail: err.Error(), Later: true}
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrPaymentsBusy), errors.Is(err, idempotency.ErrUnavailable),
		errors.Is(err, idempotency.ErrUncertain), errors.Is(err, context.DeadlineExceeded):
		return &problem{Status: http.StatusServiceUnavailable, Detail: "a part of the shop does not respond, try again"}
	}
	return &problem{Status: http.StatusInternalServerError, Detail: "internal error, see the log of the shop"}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	p.Title = http.StatusText(p.Status)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="shop"`)
	}
	if p.Later || p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeBody(w, p.Status, "application/problem+json", encodeJSON(p))
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	writeBody(w, status, "application/json", encodeJSON(v))
	return nil
}

func encodeJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // not possible: all types of this package have a JSON form
	}
	return append(text, '\n')
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(body) // an error means that the client disconnected
}

const maxBody = 16 << 10

// readJSON reads a request's body into v: one JSON value of at most 16 KiB with no field that v does not have.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	return decodeJSON(r, body, v)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "read body: %v", err)
	}
	return body, nil
}

func decodeJSON(r *http.Request, body []byte, v any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "send the body as Content-Type: application/json")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("more than one JSON value")
	}
	return refuse(http.StatusBadRequest, "read body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// missing converts the plain-text responses of the mux (404, 405) to problems. Their headers, such as Allow, stay.
func missing(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern == "" {
			h.ServeHTTP(missingWriter{w}, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

type missingWriter struct{ http.ResponseWriter }

func (w missingWriter) WriteHeader(status int) {
	writeProblem(w.ResponseWriter, &problem{Status: status, Detail: "the shop has nothing at this path for this method"})
}

func (w missingWriter) Write(text []byte) (int, error) { return len(text), nil }
