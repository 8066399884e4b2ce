package std

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/engine"
)

func TestMessagesOfTheServerAreRecords(t *testing.T) {
	for message, want := range map[string]string{
		"http: Accept error: accept tcp: too many open files; retrying in 5ms\n": `level=ERROR ` +
			`msg="listener does not accept connections" err="accept tcp: too many open files; retrying in 5ms"`,
		"http: panic serving 127.0.0.1:1: oops\n":           `level=ERROR msg=server message="http: panic serving 127.0.0.1:1: oops"`,
		"http: TLS handshake error from 127.0.0.1:1: EOF\n": `level=DEBUG msg=server message="http: TLS handshake error from 127.0.0.1:1: EOF"`,
	} {
		var b bytes.Buffer
		errorLog{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))}.Write([]byte(message))
		if !strings.HasSuffix(b.String(), want+"\n") {
			t.Errorf("%q is logged as %s, want %s", message, &b, want)
		}
	}
}

// failing is a listener that cannot accept a connection once, and then is closed.
type failing struct {
	net.Listener
	failed bool
}

func (f *failing) Accept() (net.Conn, error) {
	if !f.failed {
		f.failed = true
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return nil, errors.New("closed")
}

func TestAcceptErrorIsARecord(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	e := New(http.NotFoundHandler(), NewLimit(0, &LimitOptions{Log: log, Evicted: func() {}}), &engine.Options{Log: log})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e.Serve(&failing{Listener: l})
	want := `"level":"ERROR","msg":"listener does not accept connections","err":"accept tcp: too many open files`
	if !strings.Contains(b.String(), want) {
		t.Errorf("got %q, want %s", &b, want)
	}
	e.Shutdown(context.Background())
}
