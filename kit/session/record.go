package session

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// endedFor is how long an ended session is remembered as such. A request that was in flight at the logout is told ErrGone;
// without the mark, a write of it would begin a new session, whose cookie would replace that of a new login.
const endedFor = time.Minute

// state is what a token was worth when it was looked up.
type state uint8

const (
	fresh    state = iota // nothing is stored for it
	live                  // it may read and write
	replaced              // it shows the session before its renewal, read-only
	ended                 // the session was ended moments ago
)

// record is what the store holds of a session.
type record struct {
	state  state
	user   string
	values map[string]string // JSON by field
}

// load looks a token up.
func (all *Sessions) load(ctx context.Context, id, hash string) (record, error) {
	c := all.client
	answers := c.DoMulti(ctx, c.B().Hgetall().Key(all.key(id)).Build().Pin(), c.B().Pttl().Key(all.key(id)).Build().Pin())
	fields, err := answers[0].AsStrMap()
	if err != nil {
		return record{}, unavailable("load session", err)
	}
	left, err := answers[1].AsInt64()
	if err != nil {
		return record{}, unavailable("load session", err)
	}
	if len(fields) > 0 && fields["_t"] == "" {
		return record{state: ended}, nil
	}
	r := record{state: live}
	if len(fields) > 0 && !same(fields["_t"], hash) {
		r.state = replaced
		if fields, err = c.Do(ctx, c.B().Hgetall().Key(all.graceKey(id)).Build().Pin()).AsStrMap(); err != nil {
			return record{}, unavailable("load session", err)
		}
	}
	if !same(fields["_t"], hash) {
		return record{state: fresh}, nil // expired, or forged
	}
	r.user = fields["_u"]
	if revoked, err := all.revoked(ctx, r.user, fields["_g"]); err != nil {
		return record{}, err
	} else if revoked && r.state == live {
		// Its visitor may begin again. It is not deleted, but idles out: the request that revoked may be about to log in.
		return record{state: fresh}, nil
	} else if revoked {
		return record{state: ended}, nil
	}
	latest := fields["_x"] == fields["_a"] // it cannot be extended any more
	r.values = fields
	for name := range fields {
		if strings.HasPrefix(name, "_") {
			delete(fields, name)
		}
	}
	if r.state == live && !latest && all.o.Idle-time.Duration(left)*time.Millisecond >= all.touchEvery() {
		all.touch(ctx, id, hash)
	}
	return r, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// revoked says whether RevokeUser was called since a login. No generation is stored for most users, and for none whose
// sessions are all younger than the mark.
func (all *Sessions) revoked(ctx context.Context, user, generation string) (bool, error) {
	if user == "" {
		return false, nil
	}
	g, err := all.generation(ctx, user)
	return g != "" && g != generation, err
}

// touchEvery is how much of its idle time a session must have spent before a read extends it.
func (all *Sessions) touchEvery() time.Duration { return min(all.o.Idle/10, time.Minute) }

// touch extends the idle time. If that fails the session still has nine tenths of it, and the next request tries again.
func (all *Sessions) touch(ctx context.Context, id, hash string) {
	saveScript.Run(ctx, all.client, []string{all.key(id)}, all.arguments(hash)...)
}

func (all *Sessions) create(ctx context.Context, id, hash, user, generation string, c changes) error {
	args := c.append(all.arguments(hash, user, generation, milliseconds(all.o.Absolute)))
	return all.run(ctx, "begin session", createScript, []string{all.key(id)}, args)
}

func (all *Sessions) save(ctx context.Context, id, hash string, c changes) error {
	return all.run(ctx, "save session", saveScript, []string{all.key(id)}, c.append(all.arguments(hash)))
}

func (all *Sessions) renew(ctx context.Context, id, oldHash, newHash, user, generation string, c changes) error {
	args := all.arguments(oldHash, newHash, milliseconds(all.o.Grace), user, generation, milliseconds(all.o.Absolute))
	return all.run(ctx, "renew session", renewScript, []string{all.key(id), all.graceKey(id)}, c.append(args))
}

func (all *Sessions) end(ctx context.Context, id string) error {
	keys := []string{all.key(id), all.graceKey(id)}
	return unavailable("end session", endScript.Run(ctx, all.client, keys, milliseconds(endedFor)).Error())
}

// swap sets a field from old to value. When somebody was faster it returns what the field holds now and false.
func (all *Sessions) swap(ctx context.Context, id, hash, name, old, value string) (string, bool, error) {
	args := changes{name: &value}.append(all.arguments(hash, old))
	answer, err := swapScript.Run(ctx, all.client, []string{all.key(id)}, args...).ToArray()
	if err != nil {
		return "", false, unavailable("update session", err)
	}
	code, err := answer[0].AsInt64()
	if err == nil && code == overtaken {
		now, err := answer[1].ToString()
		return now, false, unavailable("update session", err)
	}
	return value, true, verdict("update session", code, err)
}

// arguments are those that every script begins with, and more.
func (all *Sessions) arguments(hash string, more ...string) []string {
	limits := []string{hash, milliseconds(all.o.Idle), strconv.Itoa(all.o.MaxFields), strconv.Itoa(all.o.MaxBytes)}
	return append(limits, more...)
}

// append puts the changes at the end of a script's arguments.
func (c changes) append(args []string) []string {
	var sets, deletes []string
	for name, value := range c {
		if value == nil {
			deletes = append(deletes, name)
		} else {
			sets = append(sets, name, *value)
		}
	}
	args = append(args, strconv.Itoa(len(sets)/2))
	return append(append(args, sets...), deletes...)
}

func (all *Sessions) run(ctx context.Context, doing string, s *redisscript.Script, keys, args []string) error {
	code, err := s.Run(ctx, all.client, keys, args...).AsInt64()
	return verdict(doing, code, err)
}

// verdict turns a script's answer into an error.
func verdict(doing string, code int64, err error) error {
	if err != nil {
		return unavailable(doing, err)
	}
	switch code {
	case done:
		return nil
	case gone:
		return ErrGone
	case replacedBy:
		return ErrReadOnly
	case overLimit:
		return fmt.Errorf("%s: %w", doing, ErrLimit)
	case otherUser:
		return ErrOtherUser
	}
	return fmt.Errorf("%s: the store answered %d: %w", doing, code, ErrUnavailable)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(0, d.Milliseconds()), 10) }
