package jwt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const keysURL = "https://issuer.example/jwks.json"

// fakeIssuer is the HTTP transport to an issuer, in fake time.
type fakeIssuer struct {
	mu       sync.Mutex
	answer   func(*http.Request) (*http.Response, error)
	requests []time.Time
}

func (i *fakeIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.requests = append(i.requests, time.Now())
	answer := i.answer
	i.mu.Unlock()
	return answer(r)
}

func (i *fakeIssuer) setAnswer(answer func(*http.Request) (*http.Response, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func (i *fakeIssuer) requestTimes() []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]time.Time(nil), i.requests...)
}

// answers returns an issuer that answers with a status and a body.
func answers(status int, body []byte) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {keysURL}}, Body: io.NopCloser(bytes.NewReader(body))}, nil
	}
}

// refuses is an issuer that refuses connections.
func refuses(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// hangs is an issuer that never answers.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// withRunning calls f in fake time with a running Verifier, whose keys come from a fakeIssuer.
func withRunning(t *testing.T, answer func(*http.Request) (*http.Response, error), f func(t *testing.T, v *Verifier, i *fakeIssuer)) {
	t.Helper()
	withRunningLogged(t, answer, nil, f)
}

func withRunningLogged(t *testing.T, answer func(*http.Request) (*http.Response, error), log *bytes.Buffer, f func(t *testing.T, v *Verifier, i *fakeIssuer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i := &fakeIssuer{answer: answer}
		o := &Options{Transport: i}
		if log != nil {
			o.Log = slog.New(slog.NewTextHandler(log, nil))
		}
		v := newVerifier(t, jwtConfig(keysURL, "EdDSA"), o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- v.Run(ctx) }()
		f(t, v, i)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// counterValue returns the value of a counter.
func counterValue(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].Metric[0].Counter.GetValue()
}

// timedReason returns why a token is refused, and how long its verification took.
func timedReason(t *testing.T, v *Verifier, token string) (Reason, time.Duration) {
	t.Helper()
	start := time.Now()
	return reasonOf(t, v, token), time.Since(start)
}

// wantReason checks the reason why a token is refused, and how long its verification takes.
func wantReason(t *testing.T, v *Verifier, token string, want Reason, after time.Duration) {
	t.Helper()
	if got, took := timedReason(t, v, token); got != want || took != after {
		t.Errorf("%q after %s, want %q after %s", got, took, want, after)
	}
}

// An unavailable issuer does not prevent the start. The Verifier retries with growing pauses until the issuer answers.
func TestIssuerDownAtStart(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	var log bytes.Buffer
	withRunningLogged(t, refuses, &log, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		synctest.Wait()
		wantReason(t, v, a.valid(t), NoKeys, 0)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		times := i.requestTimes()
		for n := 1; n < len(times); n++ {
			most := min(time.Second<<(n-1), time.Minute)
			if pause := times[n].Sub(times[n-1]); pause > most || pause < most*8/10 {
				t.Errorf("pause %d is %s, want at most %s", n, pause, most)
			}
		}
		if len(times) < 20 {
			t.Errorf("%d requests in 20 minutes", len(times))
		}
		wantReason(t, v, a.valid(t), NoKeys, 0)
		if failed := counterValue(t, v.metrics.refreshFailed); int(failed) != len(times) {
			t.Errorf("%v failures counted, want %d", failed, len(times))
		}
		if n := strings.Count(log.String(), "level=WARN"); n != len(times) {
			t.Errorf("%d failures logged, want %d", n, len(times))
		}

		i.setAnswer(answers(200, jwks(t, a)))
		time.Sleep(time.Minute)
		wantReason(t, v, a.valid(t), "", 0)
		if got := counterValue(t, v.metrics.refreshed); got != 1 {
			t.Errorf("%v successes counted, want 1", got)
		}
	})
}

// The first requests after a start wait for the keys, at most for maxWait.
func TestFirstRequestsWaitForTheKeys(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	slow := func(d time.Duration) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			time.Sleep(d)
			return answers(200, jwks(t, a))(r)
		}
	}
	withRunning(t, slow(time.Second), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantReason(t, v, a.valid(t), "", time.Second)
	})
	withRunning(t, slow(3*time.Second), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantReason(t, v, "not a token", Malformed, 0)
		wantReason(t, v, a.valid(t), NoKeys, 2*time.Second)
		wantReason(t, v, a.valid(t), "", time.Second)
	})
	withRunning(t, hangs, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := v.Verify(ctx, a.valid(t)); err != errNoKeys || time.Since(start) != time.Second {
			t.Errorf("client disconnected: %v after %s", err, time.Since(start))
		}
	})
}

// The last keys stay in use while the source fails in any way.
func TestOldKeysStayInUseWhileSourceFails(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"down":         refuses,
		"hanging":      hangs,
		"broken":       answers(500, jwks(t, b)),
		"empty":        answers(204, nil),
		"redirecting":  answers(302, jwks(t, b)),
		"partial":      answers(206, jwks(t, b)),
		"an HTML page": answers(200, []byte("<html>")),
		"cut off":      answers(200, jwks(t, b)[:50]),
		"huge":         answers(200, append(jwks(t, b), bytes.Repeat([]byte(" "), maxSetBytes)...)),
		"ambiguous":    answers(200, jwks(t, b, b)),
	} {
		withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
			wantReason(t, v, a.valid(t), "", 0)
			i.setAnswer(answer)
			time.Sleep(time.Hour)
			wantReason(t, v, a.valid(t), "", 0)
			if len(v.keys.Load().keys) != 1 || v.keys.Load().keys[0].id != "a" {
				t.Errorf("%s: the keys changed", name)
			}
			if ok, failed := counterValue(t, v.metrics.refreshed), counterValue(t, v.metrics.refreshFailed); ok != 1 || failed < 30 || failed > 120 {
				t.Errorf("%s: %v refreshes succeeded and %v failed in an hour", name, ok, failed)
			}
			i.setAnswer(answers(200, jwks(t, b)))
			time.Sleep(2 * time.Minute)
			wantReason(t, v, b.valid(t), "", 0)
			wantReason(t, v, a.valid(t), Signature, 0)
		})
	}
}

// A new key is accepted with its first token. A removed key is accepted until the next refresh, at most for Refresh.
func TestRotation(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		old := a.valid(t)
		wantReason(t, v, old, "", 0)
		i.setAnswer(answers(200, jwks(t, a, b)))
		wantReason(t, v, b.valid(t), "", 0)
		if n := len(i.requestTimes()); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
		wantReason(t, v, old, "", 0)
		i.setAnswer(answers(200, jwks(t, b)))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantReason(t, v, old, Signature, 0) // although its verification was cached
		wantReason(t, v, b.valid(t), "", 0)
		i.setAnswer(answers(200, []byte(`{"keys":[]}`)))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantReason(t, v, b.valid(t), Signature, 0)
	})
}

// Tokens of a new key are accepted during the refresh that reads the key, and just after it.
func TestConcurrentTokensOfNewKey(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	for range 20 {
		withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
			wantReason(t, v, a.valid(t), "", 0)
			i.setAnswer(answers(200, jwks(t, a, b)))
			token := b.valid(t)
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { wantReason(t, v, token, "", 0) })
			}
			all.Wait()
			if n := len(i.requestTimes()); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
}

// A key file is read again, too. If it becomes invalid, the old keys stay in use.
func TestRotationOfFile(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		file := keyFile(t, jwks(t, a))
		v := newVerifier(t, jwtConfig(file, "EdDSA"), nil)
		wantReason(t, v, a.valid(t), "", 0) // before Run
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- v.Run(ctx) }()
		writeFile(t, file, []byte("{"))
		time.Sleep(time.Hour)
		wantReason(t, v, a.valid(t), "", 0)
		writeFile(t, file, b.pem(t))
		time.Sleep(time.Hour)
		wantReason(t, v, b.valid(t), "", 0)
		wantReason(t, v, a.valid(t), Signature, 0)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The pauses between refreshes differ, so that many gateways do not read at the same time. They never exceed Refresh.
func TestRefreshHasJitter(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		time.Sleep(24 * time.Hour)
		times, pauses := i.requestTimes(), map[time.Duration]bool{}
		for n := 1; n < len(times); n++ {
			pause := times[n].Sub(times[n-1])
			if pause > 5*time.Minute || pause < 4*time.Minute {
				t.Errorf("pause %s", pause)
			}
			pauses[pause] = true
		}
		if len(pauses) < 100 {
			t.Errorf("%d different pauses in %d", len(pauses), len(times))
		}
	})
}

// A flood of tokens with unknown keys triggers at most one refresh per window. Tokens with known keys do not wait.
func TestFloodOfUnknownKeys(t *testing.T) {
	const flood, workers, windows = 10_000, 100, 5 // each window 30 s; all of them together shorter than Refresh
	a, unknown := newSigner(t, "a", "EdDSA"), newSigner(t, "unknown", "EdDSA")
	slow := func(r *http.Request) (*http.Response, error) {
		time.Sleep(500 * time.Millisecond)
		return answers(200, jwks(t, a))(r)
	}
	withRunning(t, slow, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantReason(t, v, a.valid(t), "", 500*time.Millisecond)
		var refused, waits, served atomic.Int64
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				token := unknown.valid(t) // every kid below is unknown
				signed, signature := cutLast(token)
				_, claims, _ := strings.Cut(signed, ".")
				for n := range flood / workers {
					forged := encode(t, unknown.header().with("kid", strings.Repeat("k", w)+"/"+strings.Repeat("n", n))) + "." + claims + "." + signature
					reason, took := timedReason(t, v, forged)
					if reason == Signature {
						refused.Add(1)
					}
					if took > 0 {
						waits.Add(1)
					}
					if took > maxWait {
						t.Errorf("waited %s", took)
					}
					time.Sleep(windows * 30 * time.Second / (flood / workers))
				}
			})
		}
		all.Go(func() {
			for range 1000 {
				wantReason(t, v, a.token(t, a.header(), validClaims().with("jti", served.Add(1))), "", 0)
				time.Sleep(windows * 30 * time.Second / 1000)
			}
		})
		all.Wait()
		times := i.requestTimes()[1:] // without the one at the start
		for n := 1; n < len(times); n++ {
			if between := times[n].Sub(times[n-1]); between < 30*time.Second {
				t.Errorf("refreshed again after %s", between)
			}
		}
		if len(times) > windows+1 || len(times) < windows-1 {
			t.Errorf("%d refreshes in %d windows", len(times), windows)
		}
		if refused.Load() != flood {
			t.Errorf("%d of %d tokens refused", refused.Load(), flood)
		}
		t.Logf("%d tokens with unknown keys in %d windows of 30 s: %d refreshes; %d requests waited; %d requests with a known key waited 0 s",
			flood, windows, len(times), waits.Load(), served.Load())
	})
}

// Only a token with an unknown key triggers a refresh.
func TestTokensThatTriggerNoRefresh(t *testing.T) {
	a, b, ec := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA"), newSigner(t, "ec", "ES256")
	withRunning(t, answers(200, jwks(t, a, b)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		synctest.Wait()
		for _, token := range []string{
			"",
			"opaque",
			b.token(t, a.header(), validClaims()),
			b.token(t, b.header().with("kid", nil), validClaims()),
			b.token(t, b.header(), validClaims().with("exp", 1)),
			ec.valid(t),
		} {
			if reasonOf(t, v, token) == "" {
				t.Errorf("%q is accepted", token)
			}
			if n := len(i.requestTimes()); n != 1 {
				t.Errorf("%q triggered a refresh", token)
			}
		}
	})
}

// A refresh that begins for another reason also serves the requests that triggered one.
func TestTriggeredRefreshIsTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefresher(time.Second)
		for range 3 {
			r.begin()
			r.end()
			start, waited := time.Now(), make(chan time.Duration)
			go func() {
				r.trigger(t.Context())
				waited <- time.Since(start)
			}()
			synctest.Wait()
			time.Sleep(time.Millisecond)
			r.begin()
			r.end()
			if got := <-waited; got != time.Millisecond || len(r.triggered) > 0 {
				t.Errorf("waited %s, want 1ms", got)
			}
			time.Sleep(time.Second)
		}
	})
}

// While the source hangs, tokens with unknown keys wait 2 s, and tokens with known keys do not wait.
func TestUnknownKeyWhileSourceHangs(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	withRunning(t, answers(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantReason(t, v, a.valid(t), "", 0)
		i.setAnswer(hangs)
		wantReason(t, v, b.valid(t), Signature, 2*time.Second)
		wantReason(t, v, a.valid(t), "", 0)
		wantReason(t, v, b.valid(t), Signature, 2*time.Second)
		i.setAnswer(answers(200, jwks(t, a, b)))
		time.Sleep(10 * time.Second) // the fetch times out and is retried
		wantReason(t, v, b.valid(t), "", 0)
	})
}

// Run ends at once when its context ends, even during a fetch.
func TestRunEndsDuringFetch(t *testing.T) {
	withRunning(t, hangs, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		synctest.Wait()
		if failed := counterValue(t, v.metrics.refreshFailed); failed != 0 {
			t.Errorf("%v failures", failed)
		}
	})
}
