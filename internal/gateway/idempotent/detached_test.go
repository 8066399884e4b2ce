package idempotent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// The client disconnects while the service works. It gets the response when it repeats the request.
func TestClientDisconnects(t *testing.T) {
	for _, sized := range []bool{true, false} {
		ctx, disconnect := context.WithCancel(t.Context())
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			disconnect()
			if r.Context().Err() != nil {
				t.Error("the request is cancelled with its client")
			}
			if sized {
				created(w, r)
				return
			}
			w.WriteHeader(201)
			io.WriteString(w, "o")
			io.WriteString(w, "k")
		})
		h := k.handler()
		h.ServeHTTP(&goneClient{http.Header{}}, order("key", "{}").WithContext(ctx))
		if rec := k.last.Load(); rec.Status != problem.StatusClientGone || rec.Reason != "client_gone" || rec.Err == nil {
			t.Errorf("record %+v", rec)
		}
		if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
			t.Errorf("%q", w.Body)
		}
		k.counts(map[string]int{"recorded": 1, "replayed": 1})
	}
}

// goneClient is the connection of a client that has disconnected.
type goneClient struct{ header http.Header }

func (w *goneClient) Header() http.Header       { return w.header }
func (w *goneClient) WriteHeader(int)           {}
func (w *goneClient) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (w *goneClient) FlushError() error         { return io.ErrClosedPipe }

// A request without its client ends after the timeout of the service, and with Kill.
func TestDetachedRequestsEnd(t *testing.T) {
	for _, kill := range []bool{true, false} {
		ctx, disconnect := context.WithCancel(t.Context())
		waits := make(chan bool, 1)
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			disconnect()
			waits <- true
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		k.shop.Timeout = time.Millisecond
		if kill {
			k.shop.Timeout = time.Hour
			go func() {
				<-waits
				k.Kill()
			}()
		}
		aborts(t, func() { k.do(order("key", "{}").WithContext(ctx)) })
		k.counts(map[string]int{"freed": 1})
		if keys := k.store.Keys(); len(keys) > 0 {
			t.Errorf("stored %v", keys)
		}
	}
}

// The number of requests that run without their clients is limited. A further one ends at once, and its key is free.
func TestDetachedRequestsAreLimited(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		select {
		case <-answer:
			created(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
	k.shop.Limit.InFlight = 29
	const requests, detached = 7, 2
	ctx, disconnect := context.WithCancel(t.Context())
	done := make(chan bool)
	for i := range requests {
		h := k.handler() // another route to the same service
		go func() {
			defer func() {
				recover()
				done <- true
			}()
			h.ServeHTTP(&goneClient{http.Header{}}, order(fmt.Sprint(i), "{}").WithContext(ctx))
		}()
		<-asked
	}
	disconnect()
	for range requests - detached {
		<-done
	}
	k.counts(map[string]int{"freed": requests - detached})
	close(answer)
	for range detached {
		<-done
	}
	k.counts(map[string]int{"freed": requests - detached, "recorded": detached})
	if stored := len(k.store.Keys()); stored != detached {
		t.Errorf("%d keys are stored", stored)
	}
	for inFlight, want := range map[int]int{0: 64, 1: 1, 9: 1, 64: 6, 1024: 64} {
		if got := cap(newDetached(inFlight).slots); got != want {
			t.Errorf("with %d in flight %d may run detached, want %d", inFlight, got, want)
		}
	}
}
