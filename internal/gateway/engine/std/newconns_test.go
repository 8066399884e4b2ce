package std

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
		begun := time.Now()
		active, silent := end(false), end(true)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan bool)
		go func() {
			n.closeSilent(ctx)
			close(over)
		}()
		time.Sleep(silentTime / 2)
		late := end(true)
		if took := (<-silent).Sub(begun); took != silentTime {
			t.Errorf("the silent one was closed after %v", took)
		}
		if took := (<-late).Sub(begun); took != silentTime*3/2 {
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
