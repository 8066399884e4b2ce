package load

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/journey"
)

func TestUnreachableTargets(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	plain := server.URL
	for url, want := range map[string]Cause{
		strings.Replace(plain, "http:", "https:", 1): NotTLS,
		tlsServer.URL:             UnknownCertificate,
		"http://nowhere.invalid/": UnknownHost,
		"http://127.0.0.1:1/":     NotListening,
	} {
		target, err := NewTarget(url, "", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = target.Check(t.Context(), nil)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || unreachable.Cause() != want {
			t.Errorf("%s: %v, want the cause %d", url, err, want)
		}
	}
	server.Close()
}

// A common mistake is an http URL of a port that expects TLS.
func TestCheckRecognizesTLS(t *testing.T) {
	noCertificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, io.EOF }
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: noCertificate})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	target, err := NewTarget("http://"+l.Addr().String(), "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = target.Check(t.Context(), nil)
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Cause() != NotPlain {
		t.Errorf("%v, want the cause %d", err, NotPlain)
	}
}

func TestCheckJourneyFindsAStepThatCannotWork(t *testing.T) {
	server := httptest.NewServer(cafe())
	defer server.Close()
	for text, want := range map[string]string{
		`steps: [{path: /, extract: {x: {json: $.prices}}}]`: "the response has no $.prices",
		`steps: [{path: /nowhere}]`:                          "status 404, want below 400",
		`steps: [{path: /order, body: x}]`:                   "status 400",
	} {
		err := CheckJourney(t.Context(), parseJourney(t, text), server.URL, nil)
		var own *journey.Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestCheckJourneyShowsTheResponse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "no order was made")
	}))
	defer server.Close()
	j, err := journey.Parse("j.yaml", []byte("steps: [{path: /, expect: {status: 201}}]"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckJourney(t.Context(), j, server.URL, nil); err == nil ||
		!strings.Contains(err.Error(), `status 200, want 201; the response begins "no order was made"`) {
		t.Error(err)
	}
}
