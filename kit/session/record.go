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

// state is what a token gives access to.
type state uint8

const (
	absent   state = iota // no stored session
	active                // a session that can be read and written
	replaced              // the session as it was before its renewal, read-only
	ended                 // a session that ended less than endedTTL ago
)

// record is what the store holds of a session.
type record struct {
	state  state
	user   string
	values map[string]string // JSON by field
}

// load reads the session of a token.
func (all *Sessions) load(ctx context.Context, id, hash string) (record, error) {
	r, err := all.read(ctx, id, hash)
	return r, all.count(&all.n.loads, err)
}

func (all *Sessions) read(ctx context.Context, id, hash string) (record, error) {
	c := all.client
	key := all.key(id)
	results := c.DoMulti(ctx, c.B().Hgetall().Key(key).Build().Pin(), c.B().Pttl().Key(key).Build().Pin())
	fields, err := results[0].AsStrMap()
	if err != nil {
		return record{}, unavailable("load session", err)
	}
	ttl, err := results[1].AsInt64()
	if err != nil {
		return record{}, unavailable("load session", err)
	}
	if len(fields) > 0 && fields["_t"] == "" {
		return record{state: ended}, nil
	}
	r := record{state: active}
	if len(fields) > 0 && !equalHash(fields["_t"], hash) {
		r.state = replaced
		if fields, err = c.Do(ctx, c.B().Hgetall().Key(all.graceKey(id)).Build().Pin()).AsStrMap(); err != nil {
			return record{}, unavailable("load session", err)
		}
	}
	if !equalHash(fields["_t"], hash) {
		return record{state: absent}, nil // expired or forged
	}
	r.user = fields["_u"]
	if revoked, err := all.isRevoked(ctx, r.user, fields["_g"]); err != nil {
		return record{}, err
	} else if revoked && r.state == active {
		// The visitor may start a new session. This one is not deleted, because the request that called RevokeUser may
		// be about to log in with it. It ends when its idle time is over.
		return record{state: absent}, nil
	} else if revoked {
		return record{state: ended}, nil
	}
	extendable := fields["_x"] != fields["_a"]
	r.values = fields
	for name := range fields {
		if strings.HasPrefix(name, "_") {
			delete(fields, name)
		}
	}
	idle := all.o.Idle - time.Duration(ttl)*time.Millisecond
	if r.state == active && extendable && idle >= all.touchInterval() {
		all.touch(ctx, id, hash)
	}
	return r, nil
}

func equalHash(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// isRevoked reports whether RevokeUser was called after the login. A user whose sessions were not revoked lately has no
// stored generation.
func (all *Sessions) isRevoked(ctx context.Context, user, generation string) (bool, error) {
	if user == "" {
		return false, nil
	}
	g, err := all.generation(ctx, user)
	return g != "" && g != generation, err
}

// touchInterval is the part of the idle time that must pass before a read extends the session.
func (all *Sessions) touchInterval() time.Duration { return min(all.o.Idle/10, time.Minute) }

// touch extends the idle time. An error is ignored: the session still has nine tenths of the idle time, and the next
// request tries again.
func (all *Sessions) touch(ctx context.Context, id, hash string) {
	saveScript.Run(ctx, all.client, []string{all.key(id)}, all.arguments(hash)...)
}

func (all *Sessions) create(ctx context.Context, id, hash, user, generation string, c changes) error {
	args := c.append(all.arguments(hash, user, generation, milliseconds(all.o.Absolute)))
	return all.count(&all.n.created, all.run(ctx, "create session", createScript, []string{all.key(id)}, args))
}

func (all *Sessions) save(ctx context.Context, id, hash string, c changes) error {
	args := c.append(all.arguments(hash))
	return all.count(&all.n.saves, all.run(ctx, "save session", saveScript, []string{all.key(id)}, args))
}

func (all *Sessions) renew(ctx context.Context, id, oldHash, newHash, user, generation string, c changes) error {
	grace, absolute := milliseconds(all.o.Grace), milliseconds(all.o.Absolute)
	args := c.append(all.arguments(oldHash, newHash, grace, user, generation, absolute))
	keys := []string{all.key(id), all.graceKey(id)}
	return all.count(&all.n.renewals, all.run(ctx, "renew session", renewScript, keys, args))
}

func (all *Sessions) end(ctx context.Context, id string) error {
	keys := []string{all.key(id), all.graceKey(id)}
	err := endScript.Run(ctx, all.client, keys, milliseconds(endedTTL)).Error()
	return all.count(&all.n.ended, unavailable("end session", err))
}

// swap changes a field from old to value, which is nil to delete it. It returns the value that the field has now. Ok is
// false if the field did not have the old value.
func (all *Sessions) swap(ctx context.Context, id, hash, name, old string, value *string) (now string, ok bool, err error) {
	now, ok, err = all.runSwap(ctx, id, hash, name, old, value)
	if err != nil || ok {
		err = all.count(&all.n.saves, err)
	}
	return now, ok, err
}

func (all *Sessions) runSwap(ctx context.Context, id, hash, name, old string, value *string) (string, bool, error) {
	const doing = "update session"
	args := changes{name: value}.append(all.arguments(hash, old))
	result, err := swapScript.Run(ctx, all.client, []string{all.key(id)}, args...).ToArray()
	if err != nil || len(result) == 0 {
		return "", false, unavailable(doing, err)
	}
	code, err := result[0].AsInt64()
	if err == nil && code == otherValue && len(result) == 2 {
		now, err := result[1].ToString()
		return now, false, unavailable(doing, err)
	}
	if value == nil {
		value = new(string)
	}
	return *value, true, resultError(doing, code, err)
}

// arguments returns the arguments that every script begins with, and more.
func (all *Sessions) arguments(hash string, more ...string) []string {
	limits := []string{hash, milliseconds(all.o.Idle), strconv.Itoa(all.o.MaxFields), strconv.Itoa(all.o.MaxBytes)}
	return append(limits, more...)
}

// append appends the changes to the arguments of a script: the number of new values, name, value ..., names to delete.
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
	return resultError(doing, code, err)
}

// resultError returns the error that the result code of a script stands for.
func resultError(doing string, code int64, err error) error {
	if err != nil {
		return unavailable(doing, err)
	}
	switch code {
	case done:
		return nil
	case gone:
		return ErrGone
	case tokenReplaced:
		return ErrReadOnly
	case limitReached:
		return fmt.Errorf("%s: %w", doing, ErrLimit)
	case otherUser:
		return ErrOtherUser
	}
	return fmt.Errorf("%s: the store returned %d: %w", doing, code, ErrUnavailable)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(0, d.Milliseconds()), 10) }
