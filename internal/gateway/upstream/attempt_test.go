package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestTimeouts(t *testing.T) {
	slow, arrived, _ := serveGated(t)
	p := newPool(t, "timeout: 50ms", slow)
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want %v", err, ErrTimeout)
	}
	<-arrived
	select {
	case <-arrived:
		t.Error("a request was sent again after its timeout")
	default:
	}
	p = newPool(t, "timeout: 10s\nbalance: round-robin\nretry: {try_timeout: 50ms}", slow, serve(t, respondWith("fast")))
	for range 4 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "fast" || err != nil {
			t.Errorf("with a timeout per try: %q %v", body, err)
		}
	}
}

func TestHangingNodeGoesDownAndItsRequestsMove(t *testing.T) {
	n := &hangingNode{}
	const service = "balance: round-robin\nprobe: {interval: 30ms, timeout: 20ms, fall: 2}"
	p := newPool(t, service, n.serve(t), serve(t, respondWith("other")))
	n.hangs.Store(true)
	postCtx, cancelPost := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { // two requests in turn: one of them goes to the hanging node
		for range 2 {
			if _, _, err := send(postCtx, p, "POST", "x"); err != nil {
				failed <- err
			}
		}
	}()
	await(t, "the hanging node has a POST", func() bool { return n.received.Load() == 1 })
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
				t.Errorf("GET: %q %v", body, err)
			}
		})
	}
	wg.Wait()
	for range 20 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
			t.Errorf("GET: %q %v", body, err)
		}
	}
	select {
	case err := <-failed:
		t.Errorf("the POST on the hanging node was canceled: %v; the node may still respond", err)
	default:
	}
	cancelPost()
	<-failed
	n.hangs.Store(false)
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Error(err)
	}
}

// However many requests a node holds when it goes down, each of them moves once: the retry budget does not limit that.
func TestAllRequestsOfAHangingNodeMove(t *testing.T) {
	n := &hangingNode{}
	const service = "balance: round-robin\nretry: {budget: 0%}\nprobe: {interval: 200ms, timeout: 100ms, fall: 2}"
	p := newPool(t, service, n.serve(t), serve(t, respondWith("other")))
	n.hangs.Store(true)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
				t.Errorf("GET: %q %v", body, err)
			}
		})
	}
	wg.Wait()
	if n.received.Load() < 10 {
		t.Errorf("the hanging node had only %d requests, so the test proves nothing", n.received.Load())
	}
}

// A request waits in the queue for most of its time. The timeout that follows is not the fault of the node that got it
// last.
func TestTimeoutCountsAgainstTheNodeThatHadTheTime(t *testing.T) {
	slow, arrived, release := serveGated(t)
	p := newPool(t, "timeout: 400ms\nlimit: {in_flight: 1, wait: 10s}\nretry: off", slow)
	body, upload := io.Pipe() // the timeout does not run while the client sends: this request keeps its slot
	first := make(chan error)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://shop.example/x", body)
		resp, err := p.RoundTrip(req)
		if err == nil {
			err = resp.Body.Close()
		}
		first <- err
	}()
	upload.Write([]byte("the start"))
	second := make(chan error)
	go func() {
		_, _, err := send(t.Context(), p, "GET", "")
		second <- err
	}()
	await(t, "the second request waits", func() bool { return p.queue.waiting.Load() == 1 })
	time.Sleep(250 * time.Millisecond) // more than half of the second request's timeout
	upload.Close()
	<-arrived
	release <- struct{}{}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := <-second; !errors.Is(err, ErrTimeout) {
		t.Errorf("the second request: %v", err)
	}
	if n := p.Nodes()[0].Failures; n != 0 {
		t.Errorf("%d failures of the node, want none", n)
	}
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrTimeout) || p.Nodes()[0].Failures != 1 {
		t.Errorf("an own timeout: %v, %d failures", err, p.Nodes()[0].Failures)
	}
}
