package cache

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

var (
	//go:embed meta.lua
	metaLua string
	//go:embed acquire.lua
	acquireLua string
	//go:embed fill.lua
	fillLua string
	//go:embed release.lua
	releaseLua string
	//go:embed invalidate.lua
	invalidateLua string
	//go:embed stamp.lua
	stampLua string
	//go:embed inspect.lua
	inspectLua string
	//go:embed members.lua
	membersLua string
)

// buckets is how many hash tags a cache is spread over: enough to share out over the nodes of a Redis Cluster, few enough
// that each one's meta hash costs nothing.
const buckets = 256

// tombstone is how long an invalidated key keeps a generation and position of its own. After that the bucket's stand for
// it, which are never lower.
const tombstone = 10 * time.Minute

var (
	acquireScript    = newScript(acquireLua)
	fillScript       = newScript(fillLua)
	releaseScript    = newScript(releaseLua)
	invalidateScript = newScript(invalidateLua)
	stampScript      = newScript(stampLua)
	inspectScript    = newScript(inspectLua)
	membersScript    = newScript(membersLua)
)

// redisStore runs the scripts on a Redis or Valkey server, Sentinel group or Cluster.
type redisStore struct {
	client  rueidis.Client
	prefix  string
	looking looking
}

func newRedisStore(client rueidis.Client, prefix string) *redisStore {
	return &redisStore{client: client, prefix: prefix, looking: newLooking(client.B())}
}

// keys are the bucket's meta hash and the entry, in one slot.
func (s *redisStore) keys(o object) []string {
	h := fnv.New32a()
	h.Write([]byte(o.name))
	bucket := "tf:{" + s.prefix + "/" + strconv.Itoa(int(h.Sum32()%buckets)) + "}"
	return []string{bucket, bucket + string(o.kind) + ":" + o.name}
}

func (s *redisStore) acquire(ctx context.Context, name string, q question) (answer, error) {
	r, err := acquireScript.run(ctx, s.client, s.keys(object{'k', name}),
		freshEpoch(), q.token, q.reject, millis(q.lease), strconv.FormatFloat(q.early, 'f', 6, 64), micros(q.maxLag),
	).ToArray()
	if err != nil {
		return answer{}, err
	}
	f := reader{r: r}
	a := answer{granted: f.text() == "1", found: f.text() == "1", epoch: f.text(), gen: f.text(), need: f.position(), wait: f.micros()}
	if a.found {
		a.by, a.value, a.negative, a.tags = f.text(), []byte(f.text()), f.text() == "1", f.text()
		a.age, a.soft, a.hard = f.micros(), f.micros(), f.micros()
	}
	return a, f.err
}

func (s *redisStore) fill(ctx context.Context, name string, f filling) (verdict, error) {
	v, err := fillScript.run(ctx, s.client, s.keys(object{'k', name}),
		freshEpoch(), f.token, f.epoch, f.gen, f.need.encode(), f.at.encode(), rueidis.BinaryString(f.value), flag(f.negative),
		millis(f.soft), millis(f.hard), micros(f.took), f.tags,
	).ToString()
	return verdict(v), err
}

func (s *redisStore) release(ctx context.Context, name, token string, backOff time.Duration) error {
	return releaseScript.run(ctx, s.client, s.keys(object{'k', name}), token, millis(backOff)).Error()
}

func (s *redisStore) invalidate(ctx context.Context, o object, at Position, message string) error {
	return invalidateScript.run(ctx, s.client, s.keys(o),
		freshEpoch(), at.encode(), millis(tombstone), invalidations(s.prefix), message,
	).Error()
}

func (s *redisStore) stamps(ctx context.Context, tags []string, maxLag time.Duration) (string, Position, error) {
	calls := make([]scriptCall, len(tags))
	for i, tag := range tags {
		calls[i] = scriptCall{s.keys(object{'t', tag}), []string{freshEpoch(), millis(tombstone), micros(maxLag)}}
	}
	var (
		all  strings.Builder
		need Position
	)
	for _, resp := range stampScript.runEach(ctx, s.client, calls) {
		r, err := resp.ToArray()
		if err != nil {
			return "", need, err
		}
		f := reader{r: r}
		all.WriteString(f.text() + " ")
		need = later(need, f.position())
		if f.err != nil {
			return "", need, f.err
		}
	}
	return all.String(), need, nil
}

func (s *redisStore) inspect(ctx context.Context, name string) (record, error) {
	r, err := inspectScript.run(ctx, s.client, s.keys(object{'k', name})).ToArray()
	if err != nil {
		return record{}, err
	}
	f := reader{r: r}
	rec := record{current: f.text()}
	now := f.number()
	seq, hi := f.text(), f.position()
	rec.size = int(f.number())
	rec.epoch, rec.gen, rec.pos, rec.by, rec.negative = f.text(), f.text(), f.position(), f.text(), f.text() == "1"
	if rec.epoch != rec.current {
		rec.gen, rec.pos = seq, hi
	}
	rec.found = rec.by != ""
	times := [3]time.Duration{}
	for i := range times {
		times[i] = time.Duration(f.number()-now) * time.Microsecond
	}
	rec.age, rec.soft, rec.hard = -times[0], times[1], times[2]
	rec.tags = f.text()
	token, until, retry := f.text(), f.number(), f.number()
	rec.leased, rec.retrying = token != "" && until > now, retry > now
	return rec, f.err
}

func (s *redisStore) member(ctx context.Context, args ...string) rueidis.RedisResult {
	return membersScript.run(ctx, s.client, []string{"tf:{" + s.prefix + "}"}, args...)
}

func (s *redisStore) join(ctx context.Context, node string) (map[string]bool, error) {
	return s.list(ctx, "join", node)
}

func (s *redisStore) renew(ctx context.Context, node string) (bool, error) {
	n, err := s.member(ctx, "renew", node).AsInt64()
	return n == 1, err
}

func (s *redisStore) members(ctx context.Context) (map[string]bool, error) {
	return s.list(ctx, "list")
}

func (s *redisStore) list(ctx context.Context, args ...string) (map[string]bool, error) {
	list, err := s.member(ctx, args...).AsStrSlice()
	if err != nil {
		return nil, err
	}
	live := make(map[string]bool, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		live[list[i]] = list[i+1] == "1"
	}
	return live, nil
}

func (s *redisStore) expel(ctx context.Context, nodes ...string) error {
	return s.member(ctx, append([]string{"expel"}, nodes...)...).Error()
}

func (s *redisStore) remove(ctx context.Context, nodes ...string) error {
	return s.member(ctx, append([]string{"remove"}, nodes...)...).Error()
}

func (s *redisStore) publish(ctx context.Context, channel, message string) error {
	return s.client.Do(ctx, s.client.B().Publish().Channel(channel).Message(message).Build().Pin()).Error()
}

// subscribe uses a connection of its own: on a shared one, the client would leave subscriptions behind, and connect again
// without a word when it breaks, so that what is published in between is lost unnoticed.
func (s *redisStore) subscribe(ctx context.Context, channels []string, up func(), message func(channel, text string)) error {
	conn, release := s.client.Dedicate()
	defer release()
	defer conn.Close()
	confirmed := 0
	broken := conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(e rueidis.PubSubSubscription) {
			if e.Kind == "subscribe" {
				if confirmed++; confirmed == len(channels) {
					up()
				}
			}
		},
		OnMessage: func(m rueidis.PubSubMessage) { message(m.Channel, m.Message) },
	})
	if err := conn.Do(ctx, conn.B().Subscribe().Channel(channels...).Build().Pin()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-broken:
		if err == nil {
			err = errors.New("the server ended it")
		}
		return fmt.Errorf("hear invalidations: %w", err)
	}
}

func invalidations(prefix string) string { return "tf:" + prefix + ":inv" }
func answers(prefix, node string) string { return "tf:" + prefix + ":ack:" + node }
func millis(d time.Duration) string      { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
func micros(d time.Duration) string      { return strconv.FormatInt(d.Microseconds(), 10) }
func freshEpoch() string                 { return strconv.FormatUint(rand.Uint64(), 36) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// reader takes an answer apart, field by field; its first error stays.
type reader struct {
	r   []rueidis.RedisMessage
	err error
}

func (f *reader) text() string {
	if f.err != nil {
		return ""
	}
	if len(f.r) == 0 {
		f.err = errors.New("read answer: too short")
		return ""
	}
	m := f.r[0]
	f.r = f.r[1:]
	switch {
	case m.IsNil():
		return ""
	case m.IsInt64():
		n, _ := m.AsInt64()
		return strconv.FormatInt(n, 10)
	}
	s, err := m.ToString()
	if err != nil {
		f.err = fmt.Errorf("read answer: %w", err)
	}
	return s
}

func (f *reader) number() int64 {
	s := f.text()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("read answer: %w", err)
	}
	return n
}

func (f *reader) micros() time.Duration { return time.Duration(f.number()) * time.Microsecond }

func (f *reader) position() Position {
	p, err := decodePosition(f.text())
	if err != nil && f.err == nil {
		f.err = err
	}
	return p
}
