package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tenfold-go/tenfold/internal/config"
)

func passwordsFor(t *testing.T, guesses *Guesses) *Passwords {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return NewPasswords([]config.BasicUser{{Name: "alice", Hash: string(hash)}}, guesses)
}

var guesser = netip.MustParseAddr("192.0.2.1")

func TestGuessesAreBoundedPerClient(t *testing.T) {
	g := NewGuesses()
	now := time.Unix(0, 0)
	g.now = func() time.Time { return now }
	p := passwordsFor(t, g)
	wrong := func(a netip.Addr) error { return p.Check(t.Context(), a, "alice", "wrong") }
	for i := range guessesAtOnce {
		if err := wrong(guesser); !errors.Is(err, errWrongPassword) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	var wait *tooManyGuesses
	if err := wrong(guesser); !errors.As(err, &wait) || wait.wait <= 0 || wait.wait > guessForgottenFor {
		t.Errorf("one more: %v", err)
	}
	if err := p.Check(t.Context(), guesser, "alice", "right"); !errors.As(err, &wait) {
		t.Errorf("the right one is compared after too many guesses: %v", err)
	}
	if err := wrong(netip.MustParseAddr("192.0.2.2")); !errors.Is(err, errWrongPassword) {
		t.Errorf("another client: %v", err)
	}
	now = now.Add(guessForgottenFor)
	if err := p.Check(t.Context(), guesser, "alice", "right"); err != nil {
		t.Errorf("after a pause: %v", err)
	}
	for range 3 * guessesAtOnce { // remembered, and not counted
		if err := p.Check(t.Context(), guesser, "alice", "right"); err != nil {
			t.Fatal(err)
		}
	}
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for range guessesAtOnce {
		wrong(a)
	}
	if err := wrong(b); !errors.As(err, &wait) {
		t.Errorf("another address of the same /64: %v", err)
	}
}

func TestTableOfGuessesIsBounded(t *testing.T) {
	g := NewGuesses()
	for i := range maxGuessClients + 500 {
		if err := g.charge(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(g.clients); n != maxGuessClients {
		t.Errorf("%d clients", n)
	}
}

// While all checks are busy, remembered credentials pass, some others wait, and more are refused at once.
func TestChecksAreBounded(t *testing.T) {
	g := NewGuesses()
	p := passwordsFor(t, g)
	if err := p.Check(t.Context(), guesser, "alice", "right"); err != nil {
		t.Fatal(err)
	}
	for range cap(g.slots) {
		g.slots <- struct{}{}
	}
	if err := p.Check(t.Context(), guesser, "alice", "right"); err != nil {
		t.Errorf("remembered: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var busy, cancelled atomic.Int64
	var all sync.WaitGroup
	for i := range maxWaitingChecks + 20 {
		all.Go(func() {
			a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			switch err := p.Check(ctx, a, "alice", fmt.Sprint(i)); {
			case errors.Is(err, errChecksBusy):
				if busy.Add(1) == 20 {
					cancel()
				}
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	cancel()
	if busy.Load() != 20 || cancelled.Load() != maxWaitingChecks {
		t.Errorf("%d refused, %d waited", busy.Load(), cancelled.Load())
	}
	if len(g.clients) != 0 {
		t.Errorf("%d clients are charged for passwords that were not compared", len(g.clients))
	}
}

func TestAcceptedCredentialsAreBounded(t *testing.T) {
	p := passwordsFor(t, NewGuesses())
	for i := range maxAccepted + 100 {
		p.accept(p.identify("alice", fmt.Sprint(i)))
	}
	if n := len(p.accepted); n != maxAccepted {
		t.Errorf("%d are remembered", n)
	}
	if p.identify("a", "b\x00c") == p.identify("a\x00b", "c") && p.identify("ab", "c") == p.identify("a", "bc") {
		t.Error("different credentials have one identity")
	}
}

// An unknown name costs a comparison, too.
func TestUnknownNamesAreCompared(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), 9)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPasswords([]config.BasicUser{{Name: "alice", Hash: string(hash)}}, NewGuesses())
	took := func(name string) time.Duration {
		least := time.Hour
		for range 3 {
			begun := time.Now()
			if p.compare(name, "wrong") {
				t.Error("accepted")
			}
			least = min(least, time.Since(begun))
		}
		return least
	}
	if known, unknown := took("alice"), took("nobody"); unknown < known/4 {
		t.Errorf("a known name takes %v, an unknown one %v", known, unknown)
	}
	if p.compare("nobody", "right") {
		t.Error("the password of another user is accepted")
	}
}
