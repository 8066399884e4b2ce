package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// shared is the Store of a test. It can be made not to answer.
type shared struct {
	client rueidis.Client
	away   atomic.Bool
}

var errAway = errors.New("connection refused")

func (s *shared) Client() (rueidis.Client, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.client, nil
}

func newTasks(t *testing.T, s *redistest.Server, o Options) (*Tasks, *shared) {
	t.Helper()
	store := &shared{client: s.Client(redistest.NoRetry)}
	return New(store, &o), store
}

func TestOfManyTenfoldsOneRunsTheTask(t *testing.T) {
	server := redistest.Start(t)
	var runs, together atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		tasks, _ := newTasks(t, server, Options{Lease: 3 * time.Second})
		all.Go(func() {
			err := tasks.Once(t.Context(), "shop", "v1", false, func(context.Context, int64) error {
				if together.Add(1) > 1 {
					t.Error("two run at the same time")
				}
				runs.Add(1)
				time.Sleep(100 * time.Millisecond)
				together.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := runs.Load(); n != 1 {
		t.Errorf("the task ran %d times, want 1", n)
	}
}

// Different versions of a task exclude each other, and each is done.
func TestVersionsExcludeEachOther(t *testing.T) {
	server := redistest.Start(t)
	var together atomic.Int64
	var all sync.WaitGroup
	ran := make([]atomic.Bool, 4)
	for i := range ran {
		tasks, _ := newTasks(t, server, Options{Lease: 3 * time.Second})
		all.Go(func() {
			err := tasks.Once(t.Context(), "shop", fmt.Sprint("v", i), false, func(context.Context, int64) error {
				if together.Add(1) > 1 {
					t.Error("two run at the same time")
				}
				time.Sleep(20 * time.Millisecond)
				ran[i].Store(true)
				together.Add(-1)
				return nil
			})
			if err != nil || !ran[i].Load() {
				t.Errorf("version %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// count runs a task and returns how often it ran.
func count(t *testing.T, tasks *Tasks, version string, again bool) (runs int) {
	t.Helper()
	err := tasks.Once(t.Context(), "shop", version, again, func(context.Context, int64) error { runs++; return nil })
	if err != nil {
		t.Error(err)
	}
	return runs
}

func TestWhatWasDoneIsNotRepeated(t *testing.T) {
	server := redistest.Start(t)
	a, _ := newTasks(t, server, Options{})
	b, _ := newTasks(t, server, Options{})
	for _, step := range []struct {
		tasks   *Tasks
		version string
		again   bool
		want    int
	}{
		{a, "v1", false, 1},
		{b, "v1", false, 0}, // a has it
		{a, "v1", true, 1},  // a deploys it again: its files may be new
		{a, "v2", false, 1},
		{b, "v2", false, 0},
		{a, "v3", false, 1},
		{b, "v2", false, 0}, // b itself has it
		{a, "v1", false, 1}, // no tenfold has it any more
	} {
		if got := count(t, step.tasks, step.version, step.again); got != step.want {
			t.Errorf("%s, again %v: ran %d times, want %d", step.version, step.again, got, step.want)
		}
	}
}

// A tenfold is asked for a version again while another one runs it: it waits for that, and does not run it, too.
func TestARunDuringTheWaitCounts(t *testing.T) {
	server := redistest.Start(t)
	a, _ := newTasks(t, server, Options{})
	b, _ := newTasks(t, server, Options{Lease: time.Second})
	count(t, a, "v1", false)
	count(t, b, "v1", false)
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- a.Once(t.Context(), "shop", "v1", true, func(context.Context, int64) error { close(begun); <-end; return nil })
	}()
	<-begun
	ran := make(chan int)
	go func() { ran <- count(t, b, "v1", true) }()
	redisWait(t, server)
	close(end)
	if n := <-ran; n != 0 {
		t.Errorf("ran %d times, want 0", n)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// redisWait returns after a second client has asked for the lease.
func redisWait(t *testing.T, server *redistest.Server) {
	t.Helper()
	client := server.Client()
	calls := func() string {
		text, _ := client.Do(t.Context(), client.B().Info().Section("commandstats").Build()).ToString()
		return text
	}
	for before := calls(); calls() == before; {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
}

func TestATaskThatFailsIsDoneByTheNext(t *testing.T) {
	server := redistest.Start(t)
	a, _ := newTasks(t, server, Options{})
	b, _ := newTasks(t, server, Options{})
	broken := errors.New("broken")
	if err := a.Once(t.Context(), "shop", "v1", false, func(context.Context, int64) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	begun := time.Now()
	if n := count(t, b, "v1", false); n != 1 || time.Since(begun) > 5*time.Second {
		t.Errorf("ran %d times after %v: a task that failed gives its lease back", n, time.Since(begun))
	}
}

// The holder dies: its lease ends, and another tenfold runs the task with a higher fence.
func TestTheDeathOfTheHolderIsSurvived(t *testing.T) {
	server := redistest.Start(t)
	dead, _ := newTasks(t, server, Options{Lease: 300 * time.Millisecond})
	g, err := dead.take(t.Context(), "shop", "v1", 0) // and it renews nothing
	if err != nil || g.state != stateRun {
		t.Fatalf("%+v %v", g, err)
	}
	b, _ := newTasks(t, server, Options{Lease: 300 * time.Millisecond})
	begun, fence := time.Now(), int64(0)
	if err := b.Once(t.Context(), "shop", "v1", false, func(_ context.Context, f int64) error { fence = f; return nil }); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(begun); waited < 200*time.Millisecond || fence <= g.fence {
		t.Errorf("ran after %v with fence %d, the dead one had %d", waited, fence, g.fence)
	}
	for _, op := range [][]string{{"renew", dead.who, "v1", integer(g.fence), "300"}, {"finish", dead.who, "v1", integer(g.fence), "300"}, {"give", dead.who, "v1", integer(g.fence)}} {
		if held, err := dead.ask(t.Context(), "shop", op...); held || err != nil {
			t.Errorf("%s of the old lease: %v %v", op[0], held, err)
		}
	}
}

// The holder does not reach the store for longer than its lease. Its task is cancelled, before another tenfold runs it.
func TestATaskEndsWithItsLease(t *testing.T) {
	server := redistest.Start(t)
	const lasts = 600 * time.Millisecond
	a, away := newTasks(t, server, Options{Lease: lasts})
	b, _ := newTasks(t, server, Options{Lease: lasts})
	var running atomic.Bool
	begun, done := make(chan struct{}), make(chan error)
	go func() {
		done <- a.Once(t.Context(), "shop", "v1", false, func(ctx context.Context, _ int64) error {
			running.Store(true)
			close(begun)
			<-ctx.Done()
			running.Store(false)
			return context.Cause(ctx)
		})
	}()
	<-begun
	time.Sleep(2 * lasts) // it is renewed
	away.away.Store(true)
	err := b.Once(t.Context(), "shop", "v1", false, func(context.Context, int64) error {
		if running.Load() {
			t.Error("the task of the former holder still runs")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrLost) {
		t.Errorf("the former holder got %v, want ErrLost", err)
	}
}

func TestWithoutTheStoreNothingRuns(t *testing.T) {
	server := redistest.Start(t)
	a, store := newTasks(t, server, Options{})
	store.away.Store(true)
	err := a.Once(t.Context(), "shop", "v1", false, func(context.Context, int64) error { t.Error("it ran"); return nil })
	if !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	server := redistest.Start(t)
	a, _ := newTasks(t, server, Options{})
	b, _ := newTasks(t, server, Options{})
	if _, err := a.take(t.Context(), "shop", "v1", 0); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(stopped) })
	err := b.Once(ctx, "shop", "v1", false, func(context.Context, int64) error { t.Error("it ran"); return nil })
	if !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
}

// A version counts while a tenfold that has it is alive. A fleet that starts anew runs its tasks again.
func TestTheRecordEndsWithTheLastTenfold(t *testing.T) {
	server := redistest.Start(t)
	const presence = 300 * time.Millisecond
	a, _ := newTasks(t, server, Options{Presence: presence})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	count(t, a, "v1", false)
	go func() { done <- a.Run(ctx) }()
	time.Sleep(3 * presence)
	b, _ := newTasks(t, server, Options{Presence: presence})
	if n := count(t, b, "v1", false); n != 0 {
		t.Errorf("ran %d times while the first tenfold is alive, want 0", n)
	}
	cancel()
	<-done
	time.Sleep(2 * presence) // b does not say that it is alive
	c, _ := newTasks(t, server, Options{Presence: presence})
	if n := count(t, c, "v1", false); n != 1 {
		t.Errorf("ran %d times after all have ended, want 1", n)
	}
}
