package cache

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/position"
	"github.com/tenfold-go/tenfold/kit/redisscript"
)

func (s *redisStore) acquire(ctx context.Context, name string, r leaseRequest) (entry, error) {
	call := s.acquireCall(name, r)
	return parseAcquired(s.scripts.acquire.Run(ctx, s.client, call.Keys, call.Args...))
}

func (s *redisStore) acquireMany(ctx context.Context, names []string, rs []leaseRequest) ([]entry, error) {
	calls := make([]redisscript.Call, len(names))
	for i, name := range names {
		calls[i] = s.acquireCall(name, rs[i])
	}
	entries := make([]entry, len(names))
	for i, result := range s.scripts.acquire.RunAll(ctx, s.client, calls) {
		var err error
		if entries[i], err = parseAcquired(result); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (s *redisStore) acquireCall(name string, r leaseRequest) redisscript.Call {
	return redisscript.Call{Keys: s.keys(object{'k', name}), Args: []string{
		newEpoch(), r.token, r.reject, millis(r.lease), strconv.FormatFloat(r.early, 'f', 6, 64), micros(r.maxLag),
	}}
}

func parseAcquired(result rueidis.RedisResult) (entry, error) {
	values, err := result.ToArray()
	if err != nil {
		return entry{}, err
	}
	r := reader{values: values}
	e := entry{
		granted: r.text() == "1", found: r.text() == "1",
		epoch: r.text(), generation: r.text(), needed: r.position(), wait: r.micros(),
	}
	if e.found {
		e.token, e.value, e.notFound, e.tagVersions = r.text(), []byte(r.text()), r.text() == "1", r.text()
		e.age, e.freshFor, e.keepFor = r.micros(), r.micros(), r.micros()
	}
	return e, r.err
}

func (s *redisStore) fill(ctx context.Context, name string, v newValue) (fillResult, error) {
	result, err := s.scripts.fill.Run(ctx, s.client, s.keys(object{'k', name}),
		newEpoch(), v.token, v.epoch, v.generation, encodePosition(v.needed), encodePosition(v.at),
		rueidis.BinaryString(v.value), boolean(v.notFound),
		millis(v.freshFor), millis(v.keepFor), micros(v.loadTime), v.tagVersions,
	).ToString()
	return fillResult(result), err
}

func (s *redisStore) release(ctx context.Context, name, token string, backOff time.Duration) error {
	return s.scripts.release.Run(ctx, s.client, s.keys(object{'k', name}), token, millis(backOff)).Error()
}

func (s *redisStore) invalidate(
	ctx context.Context, o object, at position.Position, message string, set *newValue,
) (stored bool, err error) {
	args := []string{newEpoch(), encodePosition(at), millis(tombstone), invalidationChannel(s.prefix), message}
	if set != nil {
		args = append(args, set.token, set.epoch, set.generation, rueidis.BinaryString(set.value),
			millis(set.freshFor), millis(set.keepFor), set.tagVersions)
	}
	n, err := s.scripts.invalidate.Run(ctx, s.client, s.keys(o), args...).AsInt64()
	return n == 1, err
}

func (s *redisStore) tagVersions(ctx context.Context, lists [][]string, maxLag time.Duration) ([]tagState, error) {
	var calls []redisscript.Call
	for _, tags := range lists {
		for _, tag := range tags {
			calls = append(calls, s.versionCall(object{'t', tag}, maxLag))
		}
	}
	var results []rueidis.RedisResult
	if len(calls) > 0 {
		results = s.scripts.version.RunAll(ctx, s.client, calls)
	}
	states := make([]tagState, len(lists))
	for i, tags := range lists {
		var all strings.Builder
		for range tags {
			epoch, generation, needed, err := parseVersion(results[0])
			if err != nil {
				return nil, err
			}
			all.WriteString(epoch + ":" + generation + " ")
			states[i].needed = position.Later(states[i].needed, needed)
			results = results[1:]
		}
		states[i].versions = all.String()
	}
	return states, nil
}

func (s *redisStore) reserve(ctx context.Context, name string) (epoch, generation string, err error) {
	call := s.versionCall(object{'k', name}, 0)
	epoch, generation, _, err = parseVersion(s.scripts.version.Run(ctx, s.client, call.Keys, call.Args...))
	return epoch, generation, err
}

func (s *redisStore) versionCall(o object, maxLag time.Duration) redisscript.Call {
	return redisscript.Call{Keys: s.keys(o), Args: []string{newEpoch(), millis(tombstone), micros(maxLag)}}
}

func parseVersion(result rueidis.RedisResult) (epoch, generation string, needed position.Position, err error) {
	values, err := result.ToArray()
	if err != nil {
		return "", "", needed, err
	}
	r := reader{values: values}
	epoch, generation, needed = r.text(), r.text(), r.position()
	return epoch, generation, needed, r.err
}

func (s *redisStore) inspect(ctx context.Context, name string) (record, error) {
	values, err := s.scripts.inspect.Run(ctx, s.client, s.keys(object{'k', name})).ToArray()
	if err != nil {
		return record{}, err
	}
	r := reader{values: values}
	rec := record{current: r.text()}
	now := r.number()
	sequence, highest := r.text(), r.position()
	rec.size = int(r.number())
	rec.epoch, rec.generation, rec.needed = r.text(), r.text(), r.position()
	rec.found, rec.notFound = r.text() != "", r.text() == "1"
	if rec.epoch != rec.current {
		rec.generation, rec.needed = sequence, highest
	}
	times := [3]time.Duration{}
	for i := range times {
		times[i] = time.Duration(r.number()-now) * time.Microsecond
	}
	rec.age, rec.freshFor, rec.keepFor = -times[0], times[1], times[2]
	rec.tagVersions = r.text()
	token, until, retry := r.text(), r.number(), r.number()
	rec.leased, rec.retrying = token != "" && until > now, retry > now
	return rec, r.err
}
