package gateway

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestSilentConnectionsAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n newcomers
		end := func(silent bool) <-chan time.Time {
			client, server := net.Pipe()
			n.connState(server, http.StateNew)
			if !silent {
				n.connState(server, http.StateActive)
			}
			ended := make(chan time.Time, 1)
			go func() {
				client.Read(make([]byte, 1))
				ended <- time.Now()
			}()
			t.Cleanup(func() { server.Close() })
			return ended
		}
		begun := time.Now()
		active, silent := end(false), end(true)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan bool)
		go func() {
			n.turnAway(ctx)
			close(over)
		}()
		time.Sleep(newcomerPatience / 2)
		late := end(true)
		if took := (<-silent).Sub(begun); took != newcomerPatience {
			t.Errorf("the silent one was closed after %v", took)
		}
		if took := (<-late).Sub(begun); took != newcomerPatience*3/2 {
			t.Errorf("the late one was closed after %v", took)
		}
		select {
		case <-active:
			t.Error("the active one was closed")
		default:
		}
		cancel()
		<-over
	})
}
