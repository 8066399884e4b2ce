package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// tunnel is an upgraded connection (mostly a WebSocket): the connection of a client and the one to a node.
type tunnel struct {
	down net.Conn
	up   exchange.Tunnel
	once sync.Once
}

// serve passes bytes in both directions until either side ends, the node is drained, or the gateway stops. It returns
// an error when it has sent no response. wanted are the protocols that the node was asked for.
func (ts *tunnels) serve(w http.ResponseWriter, r *http.Request, resp *http.Response, wanted string) error {
	x := exchange.From(r)
	if x.Tunnel == nil {
		return errors.New("the transport has no connection for the upgrade")
	}
	defer x.Tunnel.Close()
	upgrade := chosenProtocol(wanted, resp.Header)
	if upgrade == "" {
		return fmt.Errorf("node switched to protocol %q", resp.Header["Upgrade"])
	}
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	t := &tunnel{down: down, up: x.Tunnel}
	defer t.close()
	ts.add(t)
	defer ts.remove(t)
	defer t.up.AfterEnd(t.close)()
	x.Status = http.StatusSwitchingProtocols

	x.PutRequestID(resp.Header)
	if err := writeSwitch(buffered.Writer, upgrade, resp.Header); err != nil {
		x.Err = err
		return nil
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	t.up.Write(early) // after an error, the next write fails as well
	var wg sync.WaitGroup
	wg.Go(func() { t.pass(t.up, down) })
	t.pass(down, t.up)
	wg.Wait()
	return nil
}

// chosenProtocol returns the wanted protocol that the node has switched to, or "" when the node chose another one.
func chosenProtocol(wanted string, h http.Header) string {
	chosen := strings.Join(h["Upgrade"], ", ")
	for p := range strings.SplitSeq(wanted, ", ") {
		if strings.EqualFold(p, chosen) {
			return p
		}
	}
	return ""
}

// writeSwitch writes the response of status 101 that switches to the protocol.
func writeSwitch(w *bufio.Writer, protocol string, h http.Header) error {
	w.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n")
	wire.RemoveHopByHop(h)
	for name, values := range h {
		for _, v := range values {
			w.WriteString(name + ": " + v + "\r\n")
		}
	}
	w.WriteString("\r\n")
	return w.Flush()
}

// pass copies one direction. When src ends, it ends the same direction of dst. The other direction goes on until it
// ends as well.
func (t *tunnel) pass(dst io.Writer, src io.Reader) {
	_, err := io.Copy(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		t.close()
	}
}

func (t *tunnel) close() {
	t.once.Do(func() {
		t.down.Close()
		t.up.Close()
	})
}
