package idempotent

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
)

// A duplicate of a request in flight gets 409 with Retry-After. A different request with the key gets 422.
func TestDuplicatesInFlight(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-answer
		created(w, r)
	})
	done := make(chan bool)
	go func() {
		defer close(done)
		k.do(order("key", "{}"))
	}()
	<-asked
	w := k.expect(order("key", "{}"), http.StatusConflict, 1)
	if rec := k.last.Load(); rec.Reason != "key_in_flight" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%q %v", rec.Reason, w.Header())
	}
	k.expect(order("key", "[]"), http.StatusUnprocessableEntity, 1)
	close(answer)
	<-done
	k.expect(order("key", "{}"), 201, 1)
	k.counts(map[string]int{"recorded": 1, "in_flight": 1, "mismatch": 1, "replayed": 1})
}

// While the store cannot be reached, only requests without a key on an optional route are sent to the service.
func TestStoreUnreachable(t *testing.T) {
	k := newKeyed(t, created)
	k.away.Store(true)
	for i, mode := range []config.Mode{config.KeyRequired, config.KeyOptional} {
		k.config.Mode = mode
		w := k.expect(order("key", "{}"), http.StatusServiceUnavailable, 0)
		if rec := k.last.Load(); rec.Reason != "store_unavailable" || w.Header().Get("Retry-After") != "1" || rec.Err == nil {
			t.Errorf("%q %v, %v", rec.Reason, w.Header(), rec.Err)
		}
		k.counts(map[string]int{"unavailable": i + 1})
	}
	k.expect(order("", "{}"), 201, 1)
	k.away.Store(false)
	k.expect(order("key", "{}"), 201, 2)
}

// A store that cannot be reached when the response comes gets the result later. The client does not wait for that.
func TestStoreUnreachableAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		state  string // in the end
		again  int    // status of the repetition
		served int
	}{
		"kept":      {created, 201, "recorded", 201, 1},
		"too large": {func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 2<<10)) }, 200, "unkept", 410, 1},
		"to free":   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, 503, "freed", 201, 2},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) { c.answer(w, r) })
			answer := c.answer
			c.answer = func(w http.ResponseWriter, r *http.Request) {
				k.away.Store(true)
				answer(w, r)
			}
			k.expect(order("key", "{}"), c.status, 1)
			k.expect(order("key", "{}"), 503, 1)
			k.away.Store(false)
			k.background.running.Wait()
			if got := counterValue(t, k.metrics.requests.WithLabelValues(c.state)); got != 1 {
				t.Errorf("%s: %d", c.state, got)
			}
			c.answer = created
			k.expect(order("key", "{}"), c.again, c.served)
		})
	}
}

// The number of waiting store updates is limited, and Kill cancels them. Then the result is lost, which is logged.
func TestLostResults(t *testing.T) {
	for _, why := range []string{"killed", "full"} {
		k := newKeyed(t, created)
		k.service = func(w http.ResponseWriter, r *http.Request) {
			k.away.Store(true)
			created(w, r)
		}
		switch why {
		case "killed":
			k.Kill()
		case "full":
			for range maxUpdates {
				k.background.slots <- struct{}{}
			}
		}
		if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
			t.Errorf("%q", w.Body)
		}
		k.counts(map[string]int{"lost": 1})
		if !strings.Contains(k.warnings.String(), "response not recorded") {
			t.Errorf("%s: logged %q", why, &k.warnings)
		}
	}
}

// A slow owner whose claim was taken over does not overwrite the result of its successor. The takeover is counted and logged.
func TestSlowOwner(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-answer
		io.WriteString(w, "slow")
	})
	done := make(chan *httptest.ResponseRecorder)
	slow := k.handler()
	go func() {
		w := httptest.NewRecorder()
		slow.ServeHTTP(w, order("key", "{}"))
		done <- w
	}()
	<-asked
	k.store.HSet(k.store.Keys()[0], "lease", "1")
	k.expect(order("key", "[]"), http.StatusUnprocessableEntity, 1)
	fast := policy.Chain(policy.Record(), k.Policy(k.config, &k.shop))(http.HandlerFunc(created))
	fast.ServeHTTP(httptest.NewRecorder(), order("key", "{}"))
	close(answer)
	if w := <-done; w.Body.String() != "slow" {
		t.Errorf("the client of the slow request got %q", w.Body)
	}
	if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
		t.Errorf("the repetition got %q", w.Body)
	}
	k.counts(map[string]int{"recorded": 1, "lost": 1, "replayed": 1, "mismatch": 1})
	if got := counterValue(t, k.metrics.takeovers); got != 1 || !strings.Contains(k.warnings.String(), "idempotency key taken over") {
		t.Errorf("%d takeovers, logged %q", got, &k.warnings)
	}
}
