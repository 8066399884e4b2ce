package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tenfold-go/tenfold/internal/status"
)

// All nodes are replaced under load, and no request fails. A WebSocket does not end on its own: it may continue until
// the drain is over, and then has to connect again.
func TestUpRestartCostsNoRequest(t *testing.T) {
	const drain = 5 * time.Second
	x := upQuietly(t, "drain: 5s\nservices:\n  service: {run: [service], nodes: 4}\n", "-f", "-", "--log", "json")
	old := x.nodes()
	l := offer(x, 50, func(i int) *http.Request {
		if i%2 == 0 {
			return request("GET", "/small?ms=2000")
		}
		return visits(i)
	})
	sockets := keepSockets(x, 8)
	x.await("each node has requests of two seconds in flight", func() bool {
		return !slices.ContainsFunc(x.nodes(), func(n status.Node) bool { return n.InFlight < 3 })
	})

	begun := time.Now()
	if said := x.verb("restart", "service"); said != "restarted service: 4 nodes replaced\n" {
		t.Errorf("tenfold restart says %q", said)
	}
	took := time.Since(begun)
	for _, n := range x.nodes() {
		if slices.ContainsFunc(old, func(o status.Node) bool { return o.ID == n.ID || o.PID == n.PID }) {
			t.Errorf("%s is one of the old nodes", n.ID)
		}
	}
	seen := l.soFar()
	x.await("traffic continues", func() bool { return l.soFar() > seen+l.rate })
	answers := l.end()
	noneFailed(t, answers)

	ended, open := sockets.close()
	if len(ended) < 8 || len(open) != 8 { // a socket that connects to an old node again ends once more
		t.Errorf("%d sockets ended and %d are open, of 8 that connect again", len(ended), len(open))
	}
	begin := x.drains()
	least, most := time.Hour, time.Duration(0)
	for _, s := range ended {
		from, ok := begin[s.node]
		if lived := s.end.Sub(from); !ok || lived < drain {
			t.Errorf("a socket on %s ended %v after its node began to drain, not after %v", s.node, lived, drain)
		} else {
			least, most = min(least, lived), max(most, lived)
		}
	}
	figure(t, "restart", summarize(answers).pairs("nodes", len(old), "took", took, "connections", l.dials,
		"sockets_lived_min", least, "sockets_lived_max", most)...)
	x.stop()
}

// drains returns when each node began to drain, according to the log.
func (x *running) drains() map[string]time.Time {
	x.t.Helper()
	begin := map[string]time.Time{}
	for line := range strings.Lines(x.stderr.String()) {
		var r struct {
			Time time.Time
			Msg  string
			Node string
		}
		if json.Unmarshal([]byte(line), &r) == nil && r.Msg == "node drains" {
			begin[r.Node] = r.Time
		}
	}
	return begin
}

// sockets are WebSockets that exchange messages all the time, and connect again when they end.
type sockets struct {
	quit context.CancelFunc
	all  sync.WaitGroup

	mu          sync.Mutex
	ended, open []socket
}

type socket struct {
	node string
	end  time.Time
}

func keepSockets(x *running, n int) *sockets {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sockets{quit: cancel}
	var first sync.WaitGroup
	for range n {
		first.Add(1)
		connected := sync.OnceFunc(first.Done)
		s.all.Go(func() {
			defer connected()
			for ctx.Err() == nil {
				node, err := talk(ctx, "ws"+strings.TrimPrefix(x.url, "http")+"/socket", connected)
				s.mu.Lock()
				switch {
				case node == "" && ctx.Err() != nil: // while it connects
				case node == "":
					x.t.Errorf("connect a WebSocket: %v", err)
					cancel()
				case ctx.Err() != nil:
					s.open = append(s.open, socket{node: node})
				default:
					s.ended = append(s.ended, socket{node, time.Now()})
				}
				s.mu.Unlock()
			}
		})
	}
	first.Wait()
	x.t.Cleanup(func() { s.close() })
	return s
}

// close ends the sockets. It returns those that had ended before, and those that were open.
func (s *sockets) close() (ended, open []socket) {
	s.quit()
	s.all.Wait()
	return s.ended, s.open
}

// talk opens a WebSocket and calls connected when it knows its node. It sends each message back until the socket ends.
func talk(ctx context.Context, url string, connected func()) (node string, err error) {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return "", err
	}
	defer c.CloseNow()
	for {
		_, message, err := c.Read(ctx)
		if err != nil {
			return node, err
		}
		node = string(message)
		connected()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return node, c.Close(websocket.StatusNormalClosure, "")
		}
		if err := c.Write(ctx, websocket.MessageText, message); err != nil {
			return node, err
		}
	}
}
