package std

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// closeSilent closes connections that stay silent for silentTime, and no others.
func TestSilentConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n newConns
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
		start := time.Now()
		active, silent := end(false), end(true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() {
			n.closeSilent(ctx)
			close(done)
		}()
		time.Sleep(silentTime / 2)
		newer := end(true)
		if took := (<-silent).Sub(start); took != silentTime {
			t.Errorf("the silent connection was closed after %v", took)
		}
		if took := (<-newer).Sub(start); took != silentTime*3/2 {
			t.Errorf("the newer connection was closed after %v", took)
		}
		select {
		case <-active:
			t.Error("the active connection was closed")
		default:
		}
		cancel()
		<-done
	})
}
