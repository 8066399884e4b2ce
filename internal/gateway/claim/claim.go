// Package claim keeps in the shared store who works on a request that must have its effect once, and afterwards what its
// repetitions are answered.
//
// A request's key is claimed for the time of a lease. Who works on it renews the lease, so that a slow request keeps its
// claim, and the claim of a gateway that died comes free by itself. In the end the answer is recorded under the key, or the
// claim is abandoned.
package claim

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// ErrLost is a claim that somebody else has: its lease had run out before it was renewed. What its owner has done may be
// done again.
var ErrLost = errors.New("claim was taken over")

// Options tune Claims. Zero fields mean their defaults.
type Options struct {
	// Lease is how long a claim stands without a sign of life from its owner, who renews it three times in that time;
	// default 30s. It is how long a repetition has to wait after a gateway died, and how long the store may be away without
	// a claim being lost; at least 1ms.
	Lease time.Duration
	// Timeout is how long the store may take for one answer; default 1s.
	Timeout time.Duration
}

// Claims are all claims in one store. They are safe for concurrent use, by any number of processes.
type Claims struct {
	lease, timeout time.Duration
	eval           func(ctx context.Context, s *redisscript.Script, key string, args ...string) ([]rueidis.RedisMessage, error)
}

// New returns the claims in the store that client connects to; it is asked before each use, and may say that there is none.
func New(client func() (rueidis.Client, error), o *Options) *Claims {
	if o == nil {
		o = &Options{}
	}
	return &Claims{
		lease: cmp.Or(o.Lease, 30*time.Second), timeout: cmp.Or(o.Timeout, time.Second),
		eval: func(ctx context.Context, s *redisscript.Script, key string, args ...string) ([]rueidis.RedisMessage, error) {
			c, err := client()
			if err != nil {
				return nil, err
			}
			return s.Run(ctx, c, []string{key}, args...).ToArray()
		},
	}
}

// Key is where the store keeps a claim. It tells nothing of what it was made from.
type Key string

// KeyOf makes a key of what identifies a request, such as service, caller and what the caller chose: any bytes.
func KeyOf(parts ...string) Key {
	h := sha256.New()
	for _, p := range parts { // each behind its length, so that no two lists look the same
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return Key("tenfold:claim:" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)))
}

// Print tells whether two requests under one key are the same.
type Print [sha256.Size]byte

// State is how a key was found.
type State int

const (
	Taken     State = iota // it is ours now
	TakenOver              // so it is, and its owner before us vanished: what it did is unknown
	InFlight               // somebody works on it
	Done                   // it was answered
	Mismatch               // it belongs to another request
)

// Found is what Take has found.
type Found struct {
	State
	Claim  *Claim        // ours if the State is Taken or TakenOver
	Wait   time.Duration // InFlight: when to ask again
	Answer Answer        // Done
}

// Take claims a key for a request. What is recorded under it later is kept for ttl. If it fails, the store may have made the
// claim nevertheless, or make it later: then Found has the claim, to be abandoned.
func (c *Claims) Take(ctx context.Context, key Key, print Print, ttl time.Duration) (Found, error) {
	claim := &Claim{claims: c, key: string(key), owner: token(), print: print, ttl: ttl}
	found := Found{Claim: claim}
	reply, err := c.ask(ctx, takeScript, claim, millis(c.lease), millis(max(ttl, c.lease)))
	if err == nil {
		err = found.read(reply)
	}
	if err != nil {
		return found, fmt.Errorf("claim key: %w", err)
	}
	if found.State == InFlight {
		found.Wait = c.wait(found.Wait)
	}
	if found.State != Taken && found.State != TakenOver {
		found.Claim = nil
	}
	return found, nil
}

// read takes in what takeScript has answered.
func (f *Found) read(reply []rueidis.RedisMessage) error {
	state, err := reply[0].AsInt64()
	if err != nil {
		return err
	}
	f.State = State(state)
	switch {
	case f.State != InFlight && f.State != Done:
		return nil
	case len(reply) < 2:
		return errShort
	case f.State == InFlight:
		left, err := reply[1].AsInt64()
		f.Wait = time.Duration(left) * time.Millisecond
		return err
	}
	stored, err := reply[1].AsBytes()
	if err != nil {
		return err
	}
	if f.Answer, err = decode(stored); err != nil {
		f.Answer = Answer{} // of another version of this program, say: what is done is done
	}
	return nil
}

// wait is when to ask again for a claim whose lease has left to run. An owner who lives has renewed it by the time when half
// of it is over, and may be done at any moment; of one who has not, there is nothing to expect.
func (c *Claims) wait(left time.Duration) time.Duration {
	if left > c.lease/2 {
		return time.Second
	}
	return left
}

// Claim is one request's hold on its key. Its owner calls Hold while it works, and ends it with Complete or Abandon. Every
// call may be repeated when it has failed.
type Claim struct {
	claims *Claims
	key    string
	owner  string
	print  Print
	ttl    time.Duration
}

// Hold renews the lease until ctx ends, and returns nil then; or ErrLost.
func (c *Claim) Hold(ctx context.Context) error {
	all := c.claims
	next := time.NewTimer(all.lease / 3)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		pause := all.lease / 3
		switch err := c.tell(ctx, "renew claim", renewScript, millis(all.lease), millis(max(c.ttl, all.lease))); {
		case errors.Is(err, ErrLost):
			return err
		case err != nil: // the store is away: there is time for many tries
			pause = all.lease / 30
		}
		next.Reset(pause)
	}
}

// Complete records the answer, for ttl from now. It is recorded as well if the store has forgotten the claim; if somebody
// else has it, nothing changes and the error is ErrLost.
func (c *Claim) Complete(ctx context.Context, a Answer) error {
	return c.tell(ctx, "record answer", completeScript, rueidis.BinaryString(a.encode()), millis(c.ttl))
}

// Abandon frees the key, as if it had never been claimed. Somebody else's claim stays, and an answer that is recorded too.
func (c *Claim) Abandon(ctx context.Context) error {
	return c.tell(ctx, "abandon claim", abandonScript)
}

// Lease is how long the claim stands by itself.
func (c *Claim) Lease() time.Duration { return c.claims.lease }

// tell runs a script that answers 1, or 0 if the claim is not ours any more.
func (c *Claim) tell(ctx context.Context, doing string, s *redisscript.Script, args ...string) error {
	reply, err := c.claims.ask(ctx, s, c, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	switch ours, err := reply[0].AsInt64(); {
	case err != nil:
		return fmt.Errorf("%s: %w", doing, err)
	case ours == 0:
		return fmt.Errorf("%s: %w", doing, ErrLost)
	}
	return nil
}

// ask runs a script for a claim, and once more if the connection broke before it was answered: a script that runs twice does
// the same as one that runs once.
func (c *Claims) ask(ctx context.Context, s *redisscript.Script, claim *Claim, args ...string) ([]rueidis.RedisMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	args = append([]string{claim.owner, string(claim.print[:])}, args...)
	reply, err := c.eval(ctx, s, claim.key, args...)
	if _, answered := rueidis.IsRedisErr(err); err != nil && !answered && ctx.Err() == nil {
		reply, err = c.eval(ctx, s, claim.key, args...)
	}
	if err == nil && len(reply) < 1 {
		err = errShort
	}
	return reply, err
}

var errShort = errors.New("reply is too short")

func token() string {
	var b [16]byte
	rand.Read(b[:])
	return string(b[:])
}

func millis(d time.Duration) string { return fmt.Sprint(max(1, d.Milliseconds())) }
