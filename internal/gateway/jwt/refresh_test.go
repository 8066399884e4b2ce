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

// fakeIssuer is what answers for keys, in the bubble's time.
type fakeIssuer struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	asked  []time.Time
}

func (i *fakeIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.asked = append(i.asked, time.Now())
	answer := i.answer
	i.mu.Unlock()
	return answer(r)
}

func (i *fakeIssuer) becomes(answer func(*http.Request) (*http.Response, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func (i *fakeIssuer) times() []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]time.Time(nil), i.asked...)
}

func says(status int, body []byte) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {keysURL}}, Body: io.NopCloser(bytes.NewReader(body))}, nil
	}
}

func isDown(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// in runs f in a bubble beside a Verifier that runs, whose keys come from a fakeIssuer.
func in(t *testing.T, answer func(*http.Request) (*http.Response, error), f func(t *testing.T, v *Verifier, i *fakeIssuer)) {
	t.Helper()
	inLogged(t, answer, nil, f)
}

func inLogged(t *testing.T, answer func(*http.Request) (*http.Response, error), log *bytes.Buffer, f func(t *testing.T, v *Verifier, i *fakeIssuer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i := &fakeIssuer{answer: answer}
		o := &Options{Transport: i}
		if log != nil {
			o.Log = slog.New(slog.NewTextHandler(log, nil))
		}
		v := verifier(t, accept(keysURL, "EdDSA"), o)
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

// counted is the value of a counter.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].Metric[0].Counter.GetValue()
}

// waited is how long a token was looked at, and what came of it.
func waited(t *testing.T, v *Verifier, token string) (Reason, time.Duration) {
	t.Helper()
	begun := time.Now()
	return reasonOf(t, v, token), time.Since(begun)
}

// wantVerified wants an outcome after a certain time.
func wantVerified(t *testing.T, v *Verifier, token string, want Reason, after time.Duration) {
	t.Helper()
	if got, took := waited(t, v, token); got != want || took != after {
		t.Errorf("%q after %s, want %q after %s", got, took, want, after)
	}
}

// An issuer that is down does not keep the gateway from starting. It is asked again, ever more rarely, until it answers.
func TestIssuerDownAtStart(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	var log bytes.Buffer
	inLogged(t, isDown, &log, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		synctest.Wait()
		wantVerified(t, v, a.good(t), NoKeys, 0)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		times := i.times()
		for n := 1; n < len(times); n++ {
			most := min(time.Second<<(n-1), time.Minute)
			if pause := times[n].Sub(times[n-1]); pause > most || pause < most*8/10 {
				t.Errorf("pause %d is %s, want at most %s", n, pause, most)
			}
		}
		if len(times) < 20 {
			t.Errorf("asked %d times in 20 minutes", len(times))
		}
		wantVerified(t, v, a.good(t), NoKeys, 0)
		if failed := counted(t, v.metrics.failed); int(failed) != len(times) {
			t.Errorf("%v failures are counted, of %d", failed, len(times))
		}
		if n := strings.Count(log.String(), "level=WARN"); n != len(times) {
			t.Errorf("%d failures are logged, of %d", n, len(times))
		}

		i.becomes(says(200, jwks(t, a)))
		time.Sleep(time.Minute)
		wantVerified(t, v, a.good(t), "", 0)
		if got := counted(t, v.metrics.fetched); got != 1 {
			t.Errorf("%v successes are counted", got)
		}
	})
}

// The first requests after a start wait for the keys, and no longer than a visitor would.
func TestFirstRequestsWaitForTheKeys(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	slow := func(d time.Duration) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			time.Sleep(d)
			return says(200, jwks(t, a))(r)
		}
	}
	in(t, slow(time.Second), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantVerified(t, v, a.good(t), "", time.Second)
	})
	in(t, slow(3*time.Second), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantVerified(t, v, "not even a token", Malformed, 0)
		wantVerified(t, v, a.good(t), NoKeys, 2*time.Second)
		wantVerified(t, v, a.good(t), "", time.Second)
	})
	in(t, hangs, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := v.Verify(ctx, a.good(t)); err != errNoKeys || time.Since(begun) != time.Second {
			t.Errorf("a client that has gone: %v after %s", err, time.Since(begun))
		}
	})
}

// Whatever becomes of the source, the keys that were read count until others are.
func TestOldKeysStayWhileTheSourceIsAway(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"down":        isDown,
		"hanging":     hangs,
		"broken":      says(500, jwks(t, b)),
		"empty":       says(204, nil),
		"redirecting": says(302, jwks(t, b)),
		"partial":     says(206, jwks(t, b)),
		"a page":      says(200, []byte("<html>")),
		"cut off":     says(200, jwks(t, b)[:50]),
		"huge":        says(200, append(jwks(t, b), bytes.Repeat([]byte(" "), maxSetBytes)...)),
		"ambiguous":   says(200, jwks(t, b, b)),
	} {
		in(t, says(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
			wantVerified(t, v, a.good(t), "", 0)
			i.becomes(answer)
			time.Sleep(time.Hour)
			wantVerified(t, v, a.good(t), "", 0)
			if len(v.keys.Load().keys) != 1 || v.keys.Load().keys[0].id != "a" {
				t.Errorf("%s: other keys", name)
			}
			if ok, failed := counted(t, v.metrics.fetched), counted(t, v.metrics.failed); ok != 1 || failed < 30 || failed > 120 {
				t.Errorf("%s: %v read, %v failed in an hour", name, ok, failed)
			}
			i.becomes(says(200, jwks(t, b)))
			time.Sleep(2 * time.Minute)
			wantVerified(t, v, b.good(t), "", 0)
			wantVerified(t, v, a.good(t), Signature, 0)
		})
	}
}

// A new key counts with its first token. A key that is gone counts no longer than until the next reading, which is Refresh
// away at most.
func TestRotation(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	in(t, says(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		old := a.good(t)
		wantVerified(t, v, old, "", 0)
		i.becomes(says(200, jwks(t, a, b)))
		wantVerified(t, v, b.good(t), "", 0)
		if n := len(i.times()); n != 2 {
			t.Errorf("asked %d times", n)
		}
		wantVerified(t, v, old, "", 0)
		i.becomes(says(200, jwks(t, b)))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantVerified(t, v, old, Signature, 0) // although it held before, and was remembered
		wantVerified(t, v, b.good(t), "", 0)
		i.becomes(says(200, []byte(`{"keys":[]}`)))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantVerified(t, v, b.good(t), Signature, 0)
	})
}

// Whoever comes with a new key while the keys are read, or just after, is let in.
func TestManyFirstTokensOfANewKey(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	for range 20 {
		in(t, says(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
			wantVerified(t, v, a.good(t), "", 0)
			i.becomes(says(200, jwks(t, a, b)))
			token := b.good(t)
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { wantVerified(t, v, token, "", 0) })
			}
			all.Wait()
			if n := len(i.times()); n != 2 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// A file is read again, too, and one that becomes bad changes nothing.
func TestRotationOfAFile(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	synctest.Test(t, func(t *testing.T) {
		file := keyFile(t, jwks(t, a))
		v := verifier(t, accept(file, "EdDSA"), nil)
		wantVerified(t, v, a.good(t), "", 0) // before Run
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- v.Run(ctx) }()
		rewrite(t, file, []byte("{"))
		time.Sleep(time.Hour)
		wantVerified(t, v, a.good(t), "", 0)
		rewrite(t, file, b.pem(t))
		time.Sleep(time.Hour)
		wantVerified(t, v, b.good(t), "", 0)
		wantVerified(t, v, a.good(t), Signature, 0)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// However many gateways there are, they do not ask at once; and none asks later than it says.
func TestRefreshHasJitter(t *testing.T) {
	a := newSigner(t, "a", "EdDSA")
	in(t, says(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		time.Sleep(24 * time.Hour)
		times, pauses := i.times(), map[time.Duration]bool{}
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

// A flood of tokens with unknown keys reads the keys once in a window at most, and who has a known key does not wait.
func TestFloodOfUnknownKeys(t *testing.T) {
	const flood, workers, windows = 10_000, 100, 5 // of 30 s, in which the keys are not read for another reason
	a, stranger := newSigner(t, "a", "EdDSA"), newSigner(t, "stranger", "EdDSA")
	slow := func(r *http.Request) (*http.Response, error) {
		time.Sleep(500 * time.Millisecond)
		return says(200, jwks(t, a))(r)
	}
	in(t, slow, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantVerified(t, v, a.good(t), "", 500*time.Millisecond)
		var refused, waits, served atomic.Int64
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				token := stranger.good(t) // all kids are as unknown as this one
				signed, signature := cutLast(token)
				_, claims, _ := strings.Cut(signed, ".")
				for n := range flood / workers {
					forged := encode(t, stranger.header().with("kid", strings.Repeat("k", w)+"/"+strings.Repeat("n", n))) + "." + claims + "." + signature
					reason, took := waited(t, v, forged)
					if reason == Signature {
						refused.Add(1)
					}
					if took > 0 {
						waits.Add(1)
					}
					if took > patience {
						t.Errorf("waited %s", took)
					}
					time.Sleep(windows * 30 * time.Second / (flood / workers))
				}
			})
		}
		all.Go(func() {
			for range 1000 {
				wantVerified(t, v, a.token(t, a.header(), goodClaims().with("jti", served.Add(1))), "", 0)
				time.Sleep(windows * 30 * time.Second / 1000)
			}
		})
		all.Wait()
		times := i.times()[1:] // the first was at the start
		for n := 1; n < len(times); n++ {
			if between := times[n].Sub(times[n-1]); between < 30*time.Second {
				t.Errorf("read again after %s", between)
			}
		}
		if len(times) > windows+1 || len(times) < windows-1 {
			t.Errorf("%d readings in %d windows", len(times), windows)
		}
		if refused.Load() != flood {
			t.Errorf("%d of %d were refused", refused.Load(), flood)
		}
		t.Logf("%d tokens with unknown keys in %d windows of 30 s: %d readings of the keys; %d requests waited for one; %d requests with a known key waited 0 s",
			flood, windows, len(times), waits.Load(), served.Load())
	})
}

// Only a key that is not there can be there by now.
func TestWhatReadsNoKeys(t *testing.T) {
	a, b, ec := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA"), newSigner(t, "ec", "ES256")
	in(t, says(200, jwks(t, a, b)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		synctest.Wait()
		for _, token := range []string{
			"",
			"opaque",
			b.token(t, a.header(), goodClaims()),
			b.token(t, b.header().with("kid", nil), goodClaims()),
			b.token(t, b.header(), goodClaims().with("exp", 1)),
			ec.good(t),
		} {
			if reasonOf(t, v, token) == "" {
				t.Errorf("%q is accepted", token)
			}
			if n := len(i.times()); n != 1 {
				t.Errorf("%q has the keys read again", token)
			}
		}
	})
}

// A reading that begins for another reason is the one that was wanted.
func TestWantedReadingIsTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(time.Second)
		for range 3 {
			r.begin()
			r.end()
			begun, waited := time.Now(), make(chan time.Duration)
			go func() {
				r.want(t.Context())
				waited <- time.Since(begun)
			}()
			synctest.Wait()
			time.Sleep(time.Millisecond)
			r.begin()
			r.end()
			if got := <-waited; got != time.Millisecond || len(r.wanted) > 0 {
				t.Errorf("it was another one: waited %s", got)
			}
			time.Sleep(time.Second)
		}
	})
}

// While the source hangs, unknown keys wait for 2 s and known ones do not.
func TestUnknownKeyWhileTheSourceHangs(t *testing.T) {
	a, b := newSigner(t, "a", "EdDSA"), newSigner(t, "b", "EdDSA")
	in(t, says(200, jwks(t, a)), func(t *testing.T, v *Verifier, i *fakeIssuer) {
		wantVerified(t, v, a.good(t), "", 0)
		i.becomes(hangs)
		wantVerified(t, v, b.good(t), Signature, 2*time.Second)
		wantVerified(t, v, a.good(t), "", 0)
		wantVerified(t, v, b.good(t), Signature, 2*time.Second)
		i.becomes(says(200, jwks(t, a, b)))
		time.Sleep(10 * time.Second) // the fetch is given up, and tried again
		wantVerified(t, v, b.good(t), "", 0)
	})
}

// Run ends at once, also in the middle of a fetch.
func TestRunEndsInTheMiddleOfAFetch(t *testing.T) {
	in(t, hangs, func(t *testing.T, v *Verifier, i *fakeIssuer) {
		synctest.Wait()
		if failed := counted(t, v.metrics.failed); failed != 0 {
			t.Errorf("%v failures", failed)
		}
	})
}
