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

// What the storage interfaces answer when a caller can do something about it. All other errors are faults.
var (
	ErrNotFound    = errors.New("not found")
	ErrNameTaken   = errors.New("name is taken")
	ErrCartFull    = fmt.Errorf("a cart holds at most %d products and %d of each", maxCartLines, maxQuantity)
	ErrUnavailable = errors.New("store does not answer") // try again later
)

// problem says what went wrong, as RFC 9457 wants it. It is an error, so that a handler can return it.
type problem struct {
	Title  string `json:"title"` // set from Status
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Later  bool   `json:"-"` // the same request may be sent again in a second, as with every 503
}

func (p *problem) Error() string { return p.Detail }

// refuse makes the answer to a request that its sender has to change.
func refuse(status int, format string, args ...any) error {
	return &problem{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// handlerFunc is a handler whose errors are answered in one place.
type handlerFunc func(http.ResponseWriter, *http.Request) error

// answer is that place: it alone chooses status and public text of an error, and logs what is not the sender's fault.
func (s *Shop) answer(h handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		p := publicProblem(err)
		if p.Status >= 500 && r.Context().Err() == nil { // what fails because the client left is no fault
			s.log.Error("request failed", "route", r.Pattern, "status", p.Status, "error", err)
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
		return &problem{Status: http.StatusServiceUnavailable, Detail: "a part of the shop does not answer, try again"}
	}
	return &problem{Status: http.StatusInternalServerError, Detail: "the shop made a mistake, it is logged"}
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
		panic(err) // a type of this package that has no JSON form: every test would hit it
	}
	return append(text, '\n')
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(body) // the only error is a client that left
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

// missing turns the mux's own plain-text answers (404, 405) into problems. Their headers, such as Allow, stay.
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
