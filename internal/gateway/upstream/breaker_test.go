package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/kit/breaker"
)

func TestBreakerOpensAndAReadyNodeClosesIt(t *testing.T) {
	var broken, probeFails atomic.Bool
	broken.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "tenfold-probe" && !probeFails.Load() {
			return
		}
		if broken.Load() {
			w.WriteHeader(503)
		}
	}))
	t.Cleanup(s.Close)
	p := newPool(t, "probe: {interval: 20ms, timeout: 20ms, fall: 1}\nbreaker: {open: 1h}", s.Listener.Addr().String())
	var open *OpenError
	for i := range 40 {
		_, _, err := sendTo(t.Context(), p, fmt.Sprint("/", i%4), "POST", "x")
		if errors.As(err, &open) {
			break
		}
	}
	if open == nil || open.RetryAfter <= 0 || !errors.Is(open, ErrBreakerOpen) {
		t.Fatalf("the breaker did not open: %+v", open)
	}
	probeFails.Store(true)
	await(t, "the node is down", func() bool { return len(p.view.Load().members) == 0 })
	broken.Store(false)
	await(t, "the node is ready again", func() bool { return len(p.view.Load().members) == 1 })
	if status, _, err := send(t.Context(), p, "POST", "x"); status != 200 || err != nil {
		t.Errorf("after a node became ready again: %d %v", status, err)
	}
	if s := p.Breaker(); s != breaker.Closed {
		t.Errorf("breaker is %v", s)
	}
}
