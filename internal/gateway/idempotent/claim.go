package idempotent

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

// errClaimLost means that another gateway has the claim: the lease had expired before it was renewed. What the former owner has
// done may be done again.
var errClaimLost = errors.New("claim was taken over")

// claims are all claims in one store. They are safe for concurrent use by any number of processes.
type claims struct {
	lease, timeout time.Duration
	eval           func(ctx context.Context, s *redisscript.Script, key string, args ...string) ([]rueidis.RedisMessage, error)
}

// newClaims returns the claims in the store that client connects to. client is called before each use, and may return an error
// while the store cannot be reached.
func newClaims(client func() (rueidis.Client, error), lease, timeout time.Duration) *claims {
	return &claims{
		lease: cmp.Or(lease, 30*time.Second), timeout: cmp.Or(timeout, time.Second),
		eval: func(ctx context.Context, s *redisscript.Script, key string, args ...string) ([]rueidis.RedisMessage, error) {
			c, err := client()
			if err != nil {
				return nil, err
			}
			return s.Run(ctx, c, []string{key}, args...).ToArray()
		},
	}
}

// StoreKey returns the key of a claim in the store, made from what identifies a request: service, caller and idempotency key. The
// parts may have any bytes. The key reveals nothing about them.
func StoreKey(parts ...string) string {
	h := sha256.New()
	for _, p := range parts { // each after its length, so that different lists have different keys
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return "tenfold:claim:" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// fingerprint tells whether two requests with one key are equal.
type fingerprint [sha256.Size]byte

// claimState is the state in which take finds a key.
type claimState int

const (
	stateTaken     claimState = iota // the claim is ours
	stateTakenOver                   // the claim is ours, and its former owner vanished: what that one did is unknown
	stateInFlight                    // another request with the key runs
	stateDone                        // the result is recorded
	stateMismatch                    // the key belongs to another request
)

// found is the result of take.
type found struct {
	state  claimState
	claim  *claim        // ours, with stateTaken and stateTakenOver
	wait   time.Duration // with stateInFlight: when to ask again
	result result        // with stateDone
}

// take claims a key for a request. The result that is recorded later is kept for ttl. After an error the store may have made the
// claim, or may make it later: then found has the claim, and the caller must release it.
func (c *claims) take(ctx context.Context, key string, print fingerprint, ttl time.Duration) (found, error) {
	mine := &claim{claims: c, key: key, owner: randomToken(), print: print, ttl: ttl}
	f := found{claim: mine}
	reply, err := c.run(ctx, takeScript, mine, millis(c.lease), millis(max(ttl, c.lease)))
	if err == nil {
		err = f.read(reply)
	}
	if err != nil {
		return f, fmt.Errorf("claim key: %w", err)
	}
	if f.state == stateInFlight {
		f.wait = c.retryAfter(f.wait)
	}
	if f.state != stateTaken && f.state != stateTakenOver {
		f.claim = nil
	}
	return f, nil
}

// read takes the reply of takeScript.
func (f *found) read(reply []rueidis.RedisMessage) error {
	state, err := reply[0].AsInt64()
	if err != nil {
		return err
	}
	f.state = claimState(state)
	switch {
	case f.state != stateInFlight && f.state != stateDone:
		return nil
	case len(reply) < 2:
		return errShortReply
	case f.state == stateInFlight:
		remaining, err := reply[1].AsInt64()
		f.wait = time.Duration(remaining) * time.Millisecond
		return err
	}
	stored, err := reply[1].AsBytes()
	if err != nil {
		return err
	}
	if f.result, err = decodeResult(stored); err != nil {
		f.result = result{} // unreadable, for example written by another version: the request is done, without a response
	}
	return nil
}

// retryAfter returns when to ask again for a claim whose lease expires after remaining. A living owner renews the lease before
// half of it has passed, and may finish at any moment. Otherwise the claim comes free when the lease expires.
func (c *claims) retryAfter(remaining time.Duration) time.Duration {
	if remaining > c.lease/2 {
		return time.Second
	}
	return remaining
}

// run runs a script for a claim, and once more if the connection broke before the reply. All scripts are idempotent.
func (c *claims) run(ctx context.Context, s *redisscript.Script, of *claim, args ...string) ([]rueidis.RedisMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	args = append([]string{of.owner, string(of.print[:])}, args...)
	reply, err := c.eval(ctx, s, of.key, args...)
	if _, replied := rueidis.IsRedisErr(err); err != nil && !replied && ctx.Err() == nil {
		reply, err = c.eval(ctx, s, of.key, args...)
	}
	if err == nil && len(reply) < 1 {
		err = errShortReply
	}
	return reply, err
}

var errShortReply = errors.New("reply is too short")

// claim is the right to run the request of one key. Its owner calls renewUntil while the request runs, and ends it with complete
// or release. A call that failed may be repeated.
type claim struct {
	claims *claims
	key    string
	owner  string
	print  fingerprint
	ttl    time.Duration
}

// renewUntil renews the lease until ctx ends, and then returns nil. It returns errClaimLost if another gateway has the claim.
func (c *claim) renewUntil(ctx context.Context) error {
	lease := c.lease()
	next := time.NewTimer(lease / 3)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		pause := lease / 3
		switch err := c.tell(ctx, "renew claim", renewScript, millis(lease), millis(max(c.ttl, lease))); {
		case errors.Is(err, errClaimLost):
			return err
		case err != nil: // the store cannot be reached: try more often
			pause = lease / 30
		}
		next.Reset(pause)
	}
}

// complete records the result, for ttl from now. It also records it when the store has forgotten the claim. If another gateway
// has the claim, nothing changes and the error is errClaimLost.
func (c *claim) complete(ctx context.Context, r result) error {
	return c.tell(ctx, "record response", completeScript, rueidis.BinaryString(r.encode()), millis(c.ttl))
}

// release gives up the claim, so that the next request with this key runs again. It changes neither the claim of another gateway
// nor a recorded result.
func (c *claim) release(ctx context.Context) error {
	return c.tell(ctx, "release claim", releaseScript)
}

// lease returns how long the claim holds without a renewal.
func (c *claim) lease() time.Duration { return c.claims.lease }

// tell runs a script that returns 1, or 0 if another gateway has the claim.
func (c *claim) tell(ctx context.Context, action string, s *redisscript.Script, args ...string) error {
	reply, err := c.claims.run(ctx, s, c, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	switch ours, err := reply[0].AsInt64(); {
	case err != nil:
		return fmt.Errorf("%s: %w", action, err)
	case ours == 0:
		return fmt.Errorf("%s: %w", action, errClaimLost)
	}
	return nil
}

func randomToken() string {
	var b [16]byte
	rand.Read(b[:])
	return string(b[:])
}

func millis(d time.Duration) string { return fmt.Sprint(max(1, d.Milliseconds())) }
