package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/node"
)

// world is the driver and the traffic of a fleet in fake time. By default a node is ready after a second, lives until
// it is stopped, drains in no time and ends at once.
type world struct {
	startErr func(id string) error         // of Driver.Start
	starting func(ctx context.Context)     // called inside Driver.Start
	ready    func(id string) time.Duration // from start to ready; never when negative
	life     func(id string) time.Duration // from start to its own end; 0 is for ever
	drain    func(id string) time.Duration // how long its requests take
	ending   func(id string) time.Duration // from SIGTERM to its end; never when negative
	stopErr  func(id string) error         // of Instance.Stop

	mu       sync.Mutex
	events   []string // "start shop-1", and the same with ready, drain, cut, stop, kill and end
	starts   []time.Time
	specs    []fleet.Spec
	nodes    map[string]*instance
	inFlight map[string]int
	most     int // nodes alive at one time
	logs     bytes.Buffer
}

type instance struct {
	world   *world
	id      string
	address string
	started time.Time
	done    chan struct{}
	err     error
}

func newWorld() *world {
	return &world{nodes: map[string]*instance{}, inFlight: map[string]int{}}
}

func (w *world) note(event, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event+" "+id)
}

func call(f func(string) time.Duration, id string, otherwise time.Duration) time.Duration {
	if f == nil {
		return otherwise
	}
	return f(id)
}

func (w *world) Start(ctx context.Context, spec fleet.Spec) (fleet.Instance, error) {
	if w.starting != nil {
		w.starting(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.starts = append(w.starts, time.Now())
	w.specs = append(w.specs, spec)
	w.mu.Unlock()
	if w.startErr != nil {
		if err := w.startErr(spec.ID); err != nil {
			return nil, err
		}
	}
	w.note("start", spec.ID)
	i := &instance{world: w, id: spec.ID, started: time.Now(), done: make(chan struct{})}
	if spec.Serves {
		i.address = spec.ID + ":80"
	}
	w.mu.Lock()
	w.nodes[spec.ID] = i
	w.most = max(w.most, len(w.nodes))
	w.mu.Unlock()
	if life := call(w.life, spec.ID, 0); life > 0 {
		time.AfterFunc(life, func() { i.end("exit status 1") })
	}
	return i, nil
}

func (i *instance) Address() string       { return i.address }
func (i *instance) PID() int              { return 4711 }
func (i *instance) Done() <-chan struct{} { return i.done }

func (i *instance) Err() error {
	select {
	case <-i.done:
		return i.err
	default:
		return nil
	}
}

func (i *instance) end(reason string) {
	w := i.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes[i.id] != i {
		return
	}
	delete(w.nodes, i.id)
	w.events = append(w.events, "end "+i.id)
	i.err = &fleet.ExitError{Reason: reason, Output: []string{"last words of " + i.id}}
	close(i.done)
}

func (i *instance) Stop(ctx context.Context) error {
	w := i.world
	if w.stopErr != nil {
		if err := w.stopErr(i.id); err != nil {
			return err
		}
	}
	w.note("stop", i.id)
	var soft <-chan time.Time
	if d := call(w.ending, i.id, 0); d >= 0 {
		soft = time.After(d)
	}
	select {
	case <-i.done:
	case <-soft:
		i.end("exit status 0")
	case <-ctx.Done():
		w.note("kill", i.id)
		i.end("killed by SIGKILL")
	}
	return nil
}

func (w *world) AwaitReady(ctx context.Context, service, id string) error {
	w.mu.Lock()
	begun := time.Now()
	if i := w.nodes[id]; i != nil {
		begun = i.started
	}
	w.mu.Unlock()
	wait := call(w.ready, id, time.Second)
	var ready <-chan time.Time
	if wait >= 0 {
		ready = time.After(time.Until(begun.Add(wait)))
	}
	select {
	case <-ready:
		w.note("ready", id)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *world) Drain(ctx context.Context, service, id string) error {
	w.note("drain", id)
	select {
	case <-time.After(call(w.drain, id, 0)):
		return nil
	case <-ctx.Done():
		w.note("cut", id)
		return ctx.Err()
	}
}

func (w *world) InFlight(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[id]
}

// crash ends a node from outside.
func (w *world) crash(id string) {
	w.mu.Lock()
	i := w.nodes[id]
	w.mu.Unlock()
	i.end("killed by SIGKILL")
}

// alive lists the nodes that exist, sorted.
func (w *world) alive() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := []string{}
	for id := range w.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// begun lists when nodes were started, or tried to.
func (w *world) begun() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts)
}

// happened returns the events since the last call; of the given kinds only, when there are any.
func (w *world) happened(kinds ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := slices.DeleteFunc(w.events, func(e string) bool {
		kind, _, _ := strings.Cut(e, " ")
		return len(kinds) > 0 && !slices.Contains(kinds, kind)
	})
	w.events = nil
	return events
}

// logged counts the records with this message.
func (w *world) logged(message string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.logs.String(), message)
}

// wrote checks that a record matches a regular expression.
func (w *world) wrote(t *testing.T, expression string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !regexp.MustCompile(expression).MatchString(w.logs.String()) {
		t.Errorf("no record matches %s in\n%s", expression, w.logs.String())
	}
}

type lockedLog struct{ w *world }

func (l lockedLog) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.logs.Write(p)
}

// run is a fleet that runs.
type run struct {
	*fleet.Fleet
	cancel context.CancelFunc
	ended  chan error
}

func shop(nodes ...int) config.Service {
	s := config.Service{Name: "shop", Run: []string{"shop", "serve"}, MinNodes: nodes[0], MaxNodes: nodes[len(nodes)-1]}
	s.Drain = 10 * time.Second
	return s
}

func newFleet(t *testing.T, w *world, o fleet.Options, services ...config.Service) *fleet.Fleet {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(lockedLog{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f, err := fleet.New(services, w, w, &o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// start runs a fleet until its first nodes are ready.
func start(t *testing.T, w *world, services ...config.Service) *run {
	t.Helper()
	return begin(t, newFleet(t, w, fleet.Options{}, services...))
}

func begin(t *testing.T, f *fleet.Fleet) *run {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{Fleet: f, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- f.Run(ctx) }()
	time.Sleep(1500 * time.Millisecond)
	synctest.Wait()
	return r
}

// stop ends the fleet and checks that it leaves nothing.
func (r *run) stop(t *testing.T, w *world) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if left := w.alive(); len(left) > 0 {
		t.Errorf("Run returned and left %v", left)
	}
}

// sets reads what Watch has now, by service.
func (r *run) sets(t *testing.T) map[string]node.Set {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := r.Watch(ctx)
	sets := map[string]node.Set{}
	for range r.Services() {
		set := <-watch
		sets[set.Service] = set
	}
	return sets
}

// nodes writes a set as "shop-1 starting, shop-2 draining".
func nodes(set node.Set) string {
	var all []string
	for _, n := range set.Nodes {
		all = append(all, n.ID+" "+n.State.String())
	}
	return strings.Join(all, ", ")
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}
