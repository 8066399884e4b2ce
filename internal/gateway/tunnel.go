package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// tunnels are the upgraded connections (WebSockets). net/http no longer knows them, so that the gateway has to end them.
type tunnels struct {
	active prometheus.Gauge // connections from downstreams: these are among them

	mu   sync.Mutex
	open map[*tunnel]struct{}
	gone chan struct{} // closed when the last one has ended; nil while nobody waits
	over bool          // they were cut: no new one may stay
}

type tunnel struct {
	down net.Conn
	up   exchange.Tunnel
	once sync.Once
}

func (t *tunnel) close() {
	t.once.Do(func() {
		t.down.Close()
		t.up.Close()
	})
}

func (ts *tunnels) add(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.open == nil {
		ts.open = make(map[*tunnel]struct{})
	}
	ts.open[t] = struct{}{}
	if ts.over {
		t.close()
	}
}

func (ts *tunnels) remove(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.active.Dec()
	delete(ts.open, t)
	if len(ts.open) == 0 && ts.gone != nil {
		close(ts.gone)
		ts.gone = nil
	}
}

func (ts *tunnels) len() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.open)
}

// wait returns when the last tunnel has ended, or when ctx ends with how many are left.
func (ts *tunnels) wait(ctx context.Context) int {
	ts.mu.Lock()
	if len(ts.open) == 0 {
		ts.mu.Unlock()
		return 0
	}
	if ts.gone == nil {
		ts.gone = make(chan struct{})
	}
	gone := ts.gone
	ts.mu.Unlock()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	return ts.len()
}

// cut ends all of them, and those that are just being made.
func (ts *tunnels) cut() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.over = true
	for t := range ts.open {
		t.close()
	}
}

// serve passes bytes both ways until either side ends, or the node is drained. An error means that nothing was answered.
func (ts *tunnels) serve(w http.ResponseWriter, r *http.Request, resp *http.Response) error {
	up := exchange.From(r).Tunnel
	if up == nil {
		return errors.New("the node's connection cannot be used for another protocol")
	}
	defer up.Close()
	if upgrade := resp.Header.Get("Upgrade"); !strings.EqualFold(upgrade, "websocket") {
		return fmt.Errorf("node switched to protocol %q", upgrade)
	}
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	t := &tunnel{down: down, up: up}
	defer t.close()
	ts.add(t)
	defer ts.remove(t)
	defer up.AfterEnd(t.close)()
	exchange.From(r).Status = http.StatusSwitchingProtocols

	if err := writeSwitch(buffered.Writer, resp.Header); err != nil {
		exchange.From(r).Err = err
		return nil
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	up.Write(early) // should it fail, so will what follows
	var wg sync.WaitGroup
	wg.Go(func() { t.pass(up, down) })
	t.pass(down, up)
	wg.Wait()
	return nil
}

// farewell is how long the other direction may go on when one has ended: long enough for what is under way.
const farewell = time.Second

// pass copies one direction, and ends it at dst as it ended at src.
func (t *tunnel) pass(dst io.Writer, src io.Reader) {
	_, err := io.Copy(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		t.close()
		return
	}
	time.AfterFunc(farewell, t.close)
}

func writeSwitch(w *bufio.Writer, h http.Header) error {
	w.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	removeHopByHop(h)
	for name, values := range h {
		for _, v := range values {
			w.WriteString(name + ": " + v + "\r\n")
		}
	}
	w.WriteString("\r\n")
	return w.Flush()
}

// wantsWebSocket reports whether a request asks for the one upgrade that is let through. Others, above all h2c, would
// let a client speak to a node behind the back of every policy.
func wantsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.ContentLength == 0 &&
		len(r.Header["Upgrade"]) == 1 && strings.EqualFold(r.Header["Upgrade"][0], "websocket") &&
		hasToken(r.Header["Connection"], "upgrade")
}

func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for t := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
