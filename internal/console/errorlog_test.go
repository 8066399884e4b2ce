package console

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
)

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
	return nil, net.ErrClosed
}

func TestErrorsOfTheAdminServerAreRecords(t *testing.T) {
	var b bytes.Buffer
	c := New(config.Admin{Listen: "127.0.0.1:0"}, &fake{}, &fake{}, http.NotFoundHandler(),
		&Options{Log: slog.New(slog.NewJSONHandler(&b, nil))})
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.listener = &failing{Listener: c.listener}
	if err := c.Run(t.Context()); err == nil {
		t.Error("Run returned nil after its listener failed")
	}
	c.server.ErrorLog.Print("http: superfluous response.WriteHeader call")
	for _, want := range []string{
		`"level":"ERROR","msg":"admin address does not accept connections","err":"accept tcp: too many open files; retrying in 5ms"}`,
		`"level":"WARN","msg":"admin server","err":"http: superfluous response.WriteHeader call"}`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %q, want %s", &b, want)
		}
	}
}
