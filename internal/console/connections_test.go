package console

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// 200 idle clients hold only a few descriptors, and the admin address answers.
func TestIdleClientsOfTheAdminAddress(t *testing.T) {
	f := &fake{}
	c := New(config.Admin{Listen: "127.0.0.1:0"}, f, f, http.NotFoundHandler(), nil)
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	const clients = 200
	closed := make(chan bool, clients)
	for range clients {
		nc, err := net.Dial("tcp", c.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		go func() {
			nc.Read(make([]byte, 1))
			closed <- true
		}()
	}
	for range clients - maxIdle {
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			t.Fatal("idle connections stay open")
		}
	}
	resp, err := http.Get("http://" + c.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
}
