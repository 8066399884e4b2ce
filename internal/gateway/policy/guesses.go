package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Guesses bounds the checks of passwords: how many run and wait at a time, and how many wrong ones a client may send. It is
// safe for concurrent use.
type Guesses struct {
	slots   chan struct{} // checks that run
	waiting atomic.Int64
	now     func() time.Time

	mu      sync.Mutex
	clients map[netip.Prefix]time.Time // when the wrong passwords of a client are forgotten
}

const (
	maxWaitingChecks  = 64
	maxGuessClients   = 10_000
	guessesAtOnce     = 50              // wrong passwords of a client in a row
	guessForgottenFor = 3 * time.Second // one more may come after this time
)

// NewGuesses returns the bounds for all routes of a gateway. Checks use at most half of the processors.
func NewGuesses() *Guesses {
	return &Guesses{
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), now: time.Now,
		clients: make(map[netip.Prefix]time.Time),
	}
}

// tooManyGuesses is the error for a client that has sent too many wrong passwords.
type tooManyGuesses struct{ wait time.Duration }

func (e *tooManyGuesses) Error() string {
	return fmt.Sprintf("too many wrong passwords, wait %v", e.wait)
}

var errChecksBusy = errors.New("too many checks of passwords wait")

// charge counts a wrong password of a client in advance. The addresses of one IPv6 network /64 are one client.
func (g *Guesses) charge(client netip.Addr) error {
	key := guessClient(client)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	until := g.clients[key]
	if until.Before(now) {
		until = now
	}
	until = until.Add(guessForgottenFor)
	if over := until.Sub(now) - guessesAtOnce*guessForgottenFor; over > 0 {
		return &tooManyGuesses{over}
	}
	g.makeSpace(key, now)
	g.clients[key] = until
	return nil
}

// refund takes back a charge.
func (g *Guesses) refund(client netip.Addr) {
	key := guessClient(client)
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := g.clients[key].Add(-guessForgottenFor); until.After(g.now()) {
		g.clients[key] = until
	} else {
		delete(g.clients, key)
	}
}

// makeSpace removes a client when the table is full: one whose guesses are forgotten, or else any.
func (g *Guesses) makeSpace(key netip.Prefix, now time.Time) {
	if _, known := g.clients[key]; known || len(g.clients) < maxGuessClients {
		return
	}
	var victim netip.Prefix
	looked := 0
	for client, until := range g.clients {
		victim = client
		if looked++; until.Before(now) || looked == 16 {
			break
		}
	}
	delete(g.clients, victim)
}

func guessClient(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// begin waits for the right to check a password. end must follow.
func (g *Guesses) begin(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > maxWaitingChecks {
		return errChecksBusy
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Guesses) end() { <-g.slots }
