package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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

// simulation is a Driver and a Traffic in fake time. By default a node is ready after one second, runs until it is
// stopped, has no requests to finish, and ends at once when it is stopped.
type simulation struct {
	startErr func(id string) error         // of Driver.Start
	starting func(ctx context.Context)     // called inside Driver.Start
	ready    func(id string) time.Duration // from start to ready; never when negative
	life     func(id string) time.Duration // from start to its own end; 0 means that it does not end
	reason   func(id string) string        // how it ends after life; default "exit status 1"
	drain    func(id string) time.Duration // until its requests have finished
	ending   func(id string) time.Duration // from SIGTERM to its end; never when negative
	stopErr  func(id string) error         // of Instance.Stop

	begun    time.Time
	mu       sync.Mutex
	hung     map[string]string // reasons
	changed  chan struct{}
	events   []string // "start shop-1"; also ready, drain, cut, stop, kill and end
	starts   []time.Time
	specs    []fleet.Spec
	nodes    map[string]*instance
	inFlight map[string]int
	peak     int // most nodes that existed at one time
	logs     bytes.Buffer
}

type instance struct {
	simulation *simulation
	id         string
	address    string
	started    time.Time
	done       chan struct{}
	exceeded   chan struct{}
	err        error
}

func newSimulation() *simulation {
	return &simulation{begun: time.Now(), nodes: map[string]*instance{}, inFlight: map[string]int{}, hung: map[string]string{}, changed: make(chan struct{})}
}

func (sim *simulation) record(event, id string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	sim.events = append(sim.events, event+" "+id)
}

// orDefault calls f, if there is one.
func orDefault(f func(string) time.Duration, id string, otherwise time.Duration) time.Duration {
	if f == nil {
		return otherwise
	}
	return f(id)
}

func (sim *simulation) Start(ctx context.Context, spec fleet.Spec) (fleet.Instance, error) {
	if sim.starting != nil {
		sim.starting(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sim.mu.Lock()
	sim.starts = append(sim.starts, time.Now())
	sim.specs = append(sim.specs, spec)
	sim.mu.Unlock()
	if sim.startErr != nil {
		if err := sim.startErr(spec.ID); err != nil {
			return nil, err
		}
	}
	sim.record("start", spec.ID)
	i := &instance{simulation: sim, id: spec.ID, started: time.Now(), done: make(chan struct{}), exceeded: make(chan struct{})}
	if spec.Serves {
		i.address = spec.ID + ":80"
	}
	sim.mu.Lock()
	sim.nodes[spec.ID] = i
	sim.peak = max(sim.peak, len(sim.nodes))
	sim.mu.Unlock()
	if life := orDefault(sim.life, spec.ID, 0); life > 0 {
		reason := "exit status 1"
		if sim.reason != nil {
			reason = sim.reason(spec.ID)
		}
		time.AfterFunc(life, func() { i.end(reason) })
	}
	return i, nil
}

func (i *instance) Address() string       { return i.address }
func (i *instance) PID() int              { return 4711 }
func (i *instance) Done() <-chan struct{} { return i.done }

func (i *instance) Exceeds(int64) <-chan struct{} { return i.exceeded }

func (i *instance) Err() error {
	select {
	case <-i.done:
		return i.err
	default:
		return nil
	}
}

func (i *instance) end(reason string) {
	sim := i.simulation
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.nodes[i.id] != i {
		return
	}
	delete(sim.nodes, i.id)
	sim.events = append(sim.events, "end "+i.id)
	i.err = &fleet.ExitError{Reason: reason, Output: []string{"last output of " + i.id}}
	close(i.done)
}

func (i *instance) Stop(ctx context.Context) error {
	sim := i.simulation
	if sim.stopErr != nil {
		if err := sim.stopErr(i.id); err != nil {
			return err
		}
	}
	sim.record("stop", i.id)
	var soft <-chan time.Time
	if d := orDefault(sim.ending, i.id, 0); d >= 0 {
		soft = time.After(d)
	}
	select {
	case <-i.done:
	case <-soft:
		i.end("exit status 0")
	case <-ctx.Done():
		sim.record("kill", i.id)
		i.end("killed by SIGKILL")
	}
	return nil
}

func (sim *simulation) AwaitReady(ctx context.Context, service, id string) error {
	sim.mu.Lock()
	begun := sim.begun // a node that runs elsewhere
	if i := sim.nodes[id]; i != nil {
		begun = i.started
	}
	sim.mu.Unlock()
	wait := orDefault(sim.ready, id, time.Second)
	if wait >= 0 && time.Since(begun) >= wait {
		sim.record("ready", id)
		return nil
	}
	var ready <-chan time.Time
	if wait >= 0 {
		ready = time.After(time.Until(begun.Add(wait)))
	}
	select {
	case <-ready:
		sim.record("ready", id)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (sim *simulation) Drain(ctx context.Context, service, id string) error {
	sim.record("drain", id)
	select {
	case <-time.After(orDefault(sim.drain, id, 0)):
		return nil
	case <-ctx.Done():
		if err := context.Cause(ctx); errors.Is(err, node.ErrUndrained) {
			return err
		}
		sim.record("cut", id)
		return ctx.Err()
	}
}

func (sim *simulation) InFlight(id string) int {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return sim.inFlight[id]
}

// Hung returns the reason that setHung gave.
func (sim *simulation) Hung(service, id string) string {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return sim.hung[id]
}

func (sim *simulation) Changed() <-chan struct{} {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return sim.changed
}

// setHung marks nodes as hung. The reason "" removes the mark.
func (sim *simulation) setHung(reason string, ids ...string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	for _, id := range ids {
		sim.hung[id] = reason
	}
	close(sim.changed)
	sim.changed = make(chan struct{})
}

// exceed makes a node use more memory than its limit.
func (sim *simulation) exceed(id string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	close(sim.nodes[id].exceeded)
}

// crash ends a node as kill -9 would.
func (sim *simulation) crash(id string) {
	sim.mu.Lock()
	i := sim.nodes[id]
	sim.mu.Unlock()
	i.end("killed by SIGKILL")
}

// alive lists the nodes that exist, sorted.
func (sim *simulation) alive() []string {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	ids := []string{}
	for id := range sim.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// startTimes lists the times of all calls of Start.
func (sim *simulation) startTimes() []time.Time {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return slices.Clone(sim.starts)
}

// takeEvents returns the events since the last call. With kinds, it returns only events of these kinds.
func (sim *simulation) takeEvents(kinds ...string) []string {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	events := slices.DeleteFunc(sim.events, func(e string) bool {
		kind, _, _ := strings.Cut(e, " ")
		return len(kinds) > 0 && !slices.Contains(kinds, kind)
	})
	sim.events = nil
	return events
}

// logCount counts the log records that contain this message.
func (sim *simulation) logCount(message string) int {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return strings.Count(sim.logs.String(), message)
}

// wantLog checks that a log record matches a regular expression.
func (sim *simulation) wantLog(t *testing.T, expression string) {
	t.Helper()
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if !regexp.MustCompile(expression).MatchString(sim.logs.String()) {
		t.Errorf("no record matches %s in\n%s", expression, sim.logs.String())
	}
}

type logWriter struct{ sim *simulation }

func (l logWriter) Write(p []byte) (int, error) {
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	return l.sim.logs.Write(p)
}

// runningFleet is a fleet whose Run was called.
type runningFleet struct {
	*fleet.Fleet
	cancel context.CancelFunc
	result chan error // of Run
}

func shop(nodes ...int) config.Service {
	s := config.Service{Name: "shop", Run: []string{"shop", "serve"}, MinNodes: nodes[0], MaxNodes: nodes[len(nodes)-1]}
	s.Drain = 10 * time.Second
	return s
}

// withDriver gives every service that has a command the driver.
func withDriver(d fleet.Driver, services ...config.Service) (all []fleet.Service) {
	for _, s := range services {
		r := fleet.Service{Service: s}
		if s.Kind() == config.Owned {
			r.Driver = d
		}
		all = append(all, r)
	}
	return all
}

func newFleet(t *testing.T, sim *simulation, o fleet.Options, services ...config.Service) *fleet.Fleet {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(logWriter{sim}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f, err := fleet.New(withDriver(sim, services...), sim, &o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// start starts a fleet and returns when its first nodes are ready.
func start(t *testing.T, sim *simulation, services ...config.Service) *runningFleet {
	t.Helper()
	return startFleet(t, newFleet(t, sim, fleet.Options{}, services...))
}

func startFleet(t *testing.T, f *fleet.Fleet) *runningFleet {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &runningFleet{Fleet: f, cancel: cancel, result: make(chan error, 1)}
	go func() { r.result <- f.Run(ctx) }()
	time.Sleep(1500 * time.Millisecond)
	synctest.Wait()
	return r
}

// stop ends the fleet and checks that no node is left.
func (r *runningFleet) stop(t *testing.T, sim *simulation) {
	t.Helper()
	r.cancel()
	if err := <-r.result; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if left := sim.alive(); len(left) > 0 {
		t.Errorf("nodes %v are left after Run", left)
	}
}

// sets reads the current set of each service from Watch.
func (r *runningFleet) sets(t *testing.T) map[string]node.Set {
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

// nodes formats a set as "shop-1 starting, shop-2 draining".
func nodes(set node.Set) string {
	var all []string
	for _, n := range set.Nodes {
		all = append(all, n.ID+" "+n.State.String())
	}
	return strings.Join(all, ", ")
}

func wantStrings(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// crashIfAlive is crash for a node that may have ended.
func (sim *simulation) crashIfAlive(id string) {
	sim.mu.Lock()
	i := sim.nodes[id]
	sim.mu.Unlock()
	if i != nil {
		i.end("killed by SIGKILL")
	}
}

func seeded(seed int) *rand.Rand { return rand.New(rand.NewPCG(1, uint64(seed))) }
