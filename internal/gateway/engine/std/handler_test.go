package std

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// serveRequest passes one request through the handler of the engine, to h.
func serveRequest(r *http.Request, h http.HandlerFunc) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	(&handler{next: h}).ServeHTTP(w, r)
	return w
}

func post(body string) *http.Request {
	return httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(body)))
}

// A body cannot be read any more when the handler has returned.
func TestBodyEndsWithTheHandler(t *testing.T) {
	var body io.ReadCloser
	serveRequest(post("body"), func(w http.ResponseWriter, r *http.Request) { body = r.Body })
	if n, err := body.Read(make([]byte, 4)); n != 0 || err != errAnswered {
		t.Errorf("read %d, %v", n, err)
	}
}

// Every request has an exchange whose inbound part is the engine's.
func TestRequestHasAnExchange(t *testing.T) {
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/", nil), post("body")} {
		serveRequest(r, func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r)
			if x == nil || x.Inbound == nil || x.Refusal() != nil || x.BodyFault() != nil {
				t.Errorf("%s: %+v", r.Method, x)
			}
			x.ReadBodyBy(time.Now())
			x.SetReadDeadline(time.Now())
			x.AbandonBody()
			if w.Header().Get("Connection") != "" {
				t.Errorf("%s: abandoning a body that was not read closes the connection", r.Method)
			}
		})
	}
}

// A response that starts before the body has been read is the last one on its connection.
func TestRespondEarlyClosesTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		read    int
		respond func(*exchange.Exchange)
		want    string
	}{
		"early, nothing read":   {0, (*exchange.Exchange).RespondEarly, "close"},
		"early, some read":      {1, (*exchange.Exchange).RespondEarly, "close"},
		"early, all read":       {5, (*exchange.Exchange).RespondEarly, ""},
		"abandon, nothing read": {0, (*exchange.Exchange).AbandonBody, ""},
		"abandon, some read":    {1, (*exchange.Exchange).AbandonBody, "close"},
		"abandon, all read":     {5, (*exchange.Exchange).AbandonBody, ""},
	} {
		w := serveRequest(post("body"), func(w http.ResponseWriter, r *http.Request) {
			io.ReadAll(io.LimitReader(r.Body, int64(c.read)))
			c.respond(exchange.From(r))
		})
		if got := w.Header().Get("Connection"); got != c.want {
			t.Errorf("%s: Connection %q, want %q", name, got, c.want)
		}
	}
}

// The error of a body counts as the reason why a request is cancelled only if the request is cancelled.
func TestBodyFaultNeedsACancelledRequest(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.NopCloser(io.MultiReader(strings.NewReader("b"), errReader{})))
	r.ContentLength = 4
	serveRequest(r, func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		if err := exchange.From(r).BodyFault(); err != nil {
			t.Errorf("fault %v of a request that is not cancelled", err)
		}
	})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken") }
