package load

import (
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load/platform"
)

// run is one step in progress. Its times count from its start.
type run struct {
	options  *Options
	visits   *visitSource
	workload workload
	seed     uint64 // of the users
	started  time.Time
	window   window
	stopping chan struct{} // closed when no visit, request or pause may begin any more
	users    sync.WaitGroup

	mu       sync.Mutex
	tallies  []*tally // each shared by some of the users
	numUsers int      // started so far

	result measurement
}

// workload is the kind of load of a run. It starts the users and decides when their visits begin.
type workload interface {
	// size returns the offered rate of an open load, or the number of users of a closed load. The other one is 0.
	size() (rate float64, users int)
	// start starts the first users. Their requests end with ctx.
	start(ctx context.Context, r *run)
	// leadTime is how long beginWindow must be called before the measured window begins.
	leadTime() time.Duration
	// beginWindow ends the warm-up. It returns when the measured window begins, as a time of the run.
	beginWindow(r *run) time.Duration
	// stop ends the load: no further visit begins.
	stop()
	// countUnserved counts the visits of the window that never began. It is called after all users have ended.
	countUnserved(r *run)
	// complete sets the fields of the step that depend on the kind of load.
	complete(s *Step, r *run, t *tally)
}

func newRun(o *Options, v *visitSource, w workload, seed uint64) *run {
	r := &run{
		options: o, visits: v, workload: w, seed: seed,
		started: time.Now(), stopping: make(chan struct{}),
	}
	r.window.reset()
	for range min(cores(), 16) {
		r.tallies = append(r.tallies, &tally{window: &r.window})
	}
	return r
}

// cores returns how many cores the generator may use.
func cores() int { return runtime.GOMAXPROCS(0) }

// measure runs the step: the warm-up, the measured window, and the end of the requests in progress. If ctx ends, it
// closes the connections and returns an incomplete step.
func (r *run) measure(ctx context.Context) *Step {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx)) // so that a step that ends can finish its requests
	defer cut()
	if w := r.options.Warmup; w != nil && *w == 0 {
		r.window.set(0, r.options.Duration)
		r.result.steady = true
		r.workload.start(requests, r)
	} else {
		r.workload.start(requests, r)
		r.warmUp(ctx)
	}
	r.watch(ctx)
	r.workload.stop()
	close(r.stopping)
	if !r.awaitUsers(ctx) {
		cut()
		r.users.Wait()
	}
	r.workload.countUnserved(r)
	return r.step()
}

// step builds the step after all users have ended.
func (r *run) step() *Step {
	var t tally
	for _, other := range r.tallies {
		t.add(other)
	}
	s := newStep(&t, r.result, r.visits.stepNames)
	s.Offered, s.Users = r.workload.size()
	r.workload.complete(s, r, &t)
	s.checkValidity(&t, r.result.took)
	s.judgeLag(curve.Objective{})
	return s
}

// warmUp waits until the target is warm and sets the window.
func (r *run) warmUp(ctx context.Context) {
	rate, _ := r.workload.size()
	length, longest := binLength(r.options.Duration, rate), maxWarmup
	if w := r.options.Warmup; w != nil {
		length, longest = max(0, *w-r.workload.leadTime()), *w
	}
	var bins []bin
	for ctx.Err() == nil {
		bins = append(bins, r.observe(ctx, length))
		if r.options.Warmup != nil || steady(bins) {
			r.result.steady = true
			break
		}
		if r.now() >= min(longest, 2*r.options.Duration+steadyBins*length) {
			break
		}
	}
	from := r.workload.beginWindow(r)
	if ctx.Err() != nil {
		r.window.set(from, from) // empty: nothing is measured any more
		return
	}
	r.window.set(from, from+r.options.Duration)
}

// observe waits for d and returns the results of that time.
func (r *run) observe(ctx context.Context, d time.Duration) bin {
	begin := r.now()
	r.sleepUntil(ctx, begin+d)
	t := r.takeRecent()
	b := bin{requests: t.recentDone, p50: t.recent.quantile(0.5)}
	b.low, b.high = t.recent.interval(0.5)
	r.report(t, r.now()-begin, true)
	return b
}

// watch waits for the end of the window.
func (r *run) watch(ctx context.Context) {
	from, to := r.window.bounds()
	r.sleepUntil(ctx, from)
	r.takeRecent()
	cpu, begin := platform.CPUTime(), r.now()
	for now := begin; now < to && ctx.Err() == nil; now = r.now() {
		r.sleepUntil(ctx, min(to, now+time.Second))
		r.report(r.takeRecent(), r.now()-now, false)
	}
	r.result.cpu = (platform.CPUTime() - cpu).Seconds() / max(r.now()-begin, 1).Seconds() / float64(cores())
	if ctx.Err() != nil {
		r.result.incomplete = true
		to = min(to, max(from, r.now()))
		r.window.set(from, to)
	}
	r.result.warmup, r.result.took = from, to-from
}

// awaitUsers waits for the requests in progress, each of which ends within its timeout. It returns false if ctx ends
// earlier, or if a user does not end in time.
func (r *run) awaitUsers(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		r.users.Wait()
		close(done)
	}()
	timer := time.NewTimer(r.options.Timeout + time.Second)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// newUser returns another user.
func (r *run) newUser() *user {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := &user{run: r, tally: r.tallies[r.numUsers%len(r.tallies)], wake: make(chan bool, 1)}
	u.caller = r.visits.newCaller(r.seed, r.numUsers)
	r.numUsers++
	return u
}

// now returns the time since the run started.
func (r *run) now() time.Duration { return time.Since(r.started) }

// isStopping reports whether no visit may begin any more.
func (r *run) isStopping() bool {
	select {
	case <-r.stopping:
		return true
	default:
		return false
	}
}

// pause waits for d. It returns false if the run stops earlier.
func (r *run) pause(d time.Duration) bool {
	if d <= 0 {
		return !r.isStopping()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.stopping:
		return false
	}
}

// sleepUntil waits until the time t of the run, or until ctx ends.
func (r *run) sleepUntil(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t - r.now())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeRecent returns the results since the last call.
func (r *run) takeRecent() *tally {
	var sum tally
	for _, t := range r.tallies {
		t.takeRecent(&sum)
	}
	return &sum
}

func (r *run) report(t *tally, took time.Duration, warming bool) {
	if r.options.Progress == nil {
		return
	}
	p := Progress{
		Warming: warming, Elapsed: r.now(),
		Rate:   float64(t.recentDone) / max(took.Seconds(), 1e-9),
		Failed: float64(t.recentFailed) / math.Max(1, float64(t.recentDone)),
		P50:    t.recent.quantile(0.5), P99: t.recent.quantile(0.99),
	}
	p.Offered, p.Users = r.workload.size()
	r.options.Progress(p)
}
