package load

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"sync"
	"time"
)

// Generator makes load. Its methods measure one thing after another; they are for one goroutine at a time. Each owns the
// goroutines and connections that it starts, and returns after all of them.
type Generator struct {
	options *Options
	url     *url.URL
	unit    string
	call    func(r *run, number int) caller
	close   func()
	pauses  time.Duration // in a visit, on average
	parts   []string      // what the steps of the journey are called
	steps   uint64        // so far: each has a schedule of its own
}

// New makes a generator that sends the target's request: a visit is one request.
func New(t *Target, o *Options) (*Generator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Generator{options: o, url: t.url, unit: "requests/s", close: func() {}}
	if t.url.Scheme == "https" {
		client := newTransport(o)
		g.close = client.CloseIdleConnections
		g.call = func(*run, int) caller { return &standard{t, client} }
	} else {
		g.call = func(*run, int) caller { return &wire{target: t} }
	}
	return g, nil
}

// Unit is what rates count: requests/s, or visits/s of journeys.
func (g *Generator) Unit() string { return g.unit }

// Close gives back what is kept between steps.
func (g *Generator) Close() error {
	g.close()
	return nil
}

// Rate measures one step of open load, of so many visits per second. When ctx ends, the step ends and is returned as
// incomplete. An error means that nothing was measured.
func (g *Generator) Rate(ctx context.Context, rate float64) (*Step, error) {
	if !(rate > 0 && rate <= MaxRate) {
		return nil, fmt.Errorf("a rate of %s: want above 0, up to %s %s", number(rate), number(MaxRate), g.unit)
	}
	if n := rate * g.options.Duration.Seconds(); n < 1 {
		return nil, fmt.Errorf("a rate of %s %s for %v is less than one visit", number(rate), g.unit, g.options.Duration)
	}
	wake, err := g.options.alarm()
	if err != nil {
		return nil, fmt.Errorf("set an alarm: %w", err)
	}
	defer wake.close()
	r := g.newRun(rate)
	defer r.end()
	r.line = &line{now: r.now, alarm: wake, cap: g.options.Connections, led: true, users: 1}
	r.line.grow = func() { r.users.Go(r.newUser().comeAndGo) }
	r.line.source.Schedule = g.schedule(rate, 2*(maxWarmup+g.options.Duration))
	if w := g.options.Warmup; w != nil {
		r.line.source.Schedule = g.schedule(rate, 2*(*w+time.Second))
	}
	r.measure(ctx, func() { r.users.Go(r.newUser().comeAndGo) })
	return r.step(), nil
}

// Users measures one step of closed load: n users, each of which begins its next visit when the last one is over.
func (g *Generator) Users(ctx context.Context, n int) (*Step, error) {
	if n < 1 || n > MaxUsers || n > g.options.Connections {
		return nil, fmt.Errorf("%d users: want 1 to %d, each with a connection", n, min(MaxUsers, g.options.Connections))
	}
	r := g.newRun(0)
	defer r.end()
	r.closed = n
	r.measure(ctx, func() {
		for range n {
			r.users.Go(r.newUser().stay)
		}
	})
	return r.step(), nil
}

func (g *Generator) schedule(rate float64, span time.Duration) *Schedule {
	g.steps++
	return NewSchedule(g.options.Arrivals, rate, span, g.options.Seed^g.steps*0x9e3779b97f4a7c15)
}

// run is one step while it goes on.
type run struct {
	g       *Generator
	options *Options
	rate    float64
	closed  int // users in closed load
	line    *line
	epoch   time.Time
	window  window
	ending  context.Context // done: no new request, no more thinking
	finish  context.CancelFunc
	cut     context.Context // done: every connection is closed
	end     context.CancelFunc
	users   sync.WaitGroup

	mu      sync.Mutex
	tallies []*tally
	started int // users so far

	note measurement
}

// measurement is what the conductor of a step knows beside the tallies.
type measurement struct {
	warmup, took time.Duration
	steady       bool
	incomplete   bool
	cpu          float64 // share of the cores
}

func (g *Generator) newRun(rate float64) *run {
	r := &run{g: g, options: g.options, rate: rate, epoch: time.Now()}
	r.ending, r.finish = context.WithCancel(context.Background())
	r.cut, r.end = context.WithCancel(context.Background())
	r.window.reset()
	for range min(max(cores(), 1), 16) {
		r.tallies = append(r.tallies, &tally{window: &r.window})
	}
	return r
}

func (r *run) newUser() *user {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := &user{run: r, tally: r.tallies[r.started%len(r.tallies)], turn: make(chan bool, 1)}
	u.caller = r.g.call(r, r.started)
	r.started++
	return u
}

func (r *run) now() time.Duration { return time.Since(r.epoch) }

// isOver says whether a user should begin no more visits.
func (r *run) isOver() bool { return r.ending.Err() != nil }

// pause waits, or until the step ends; false when it did.
func (r *run) pause(d time.Duration) bool {
	if d <= 0 {
		return !r.isOver()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.ending.Done():
		return false
	}
}

// measure conducts the step: warm-up, window, and the end of what is under way.
func (r *run) measure(ctx context.Context, start func()) {
	if w := r.options.Warmup; w != nil && *w == 0 {
		if r.line != nil {
			r.line.source.Schedule = r.g.schedule(r.rate, r.options.Duration)
		}
		r.window.set(0, r.options.Duration)
		r.note.steady = true
		start()
	} else {
		start()
		r.warmUp(ctx)
	}
	r.watch(ctx)
	if r.line != nil {
		r.line.close()
	}
	r.finish()
	r.drain(ctx)
	if r.line != nil {
		_, to := r.window.bounds()
		r.line.rest(to, func(at time.Duration) { r.tallies[0].neverBegan(at, to) })
	}
}

// warmUp waits until the target is warm and opens the window.
func (r *run) warmUp(ctx context.Context) {
	length, most := binLength(r.options.Duration, r.rate), maxWarmup
	if w := r.options.Warmup; w != nil {
		length, most = *w, *w
		if r.line != nil {
			length = max(0, length-notice)
		}
	}
	var bins []bin
	for ctx.Err() == nil {
		b := r.observe(ctx, length)
		bins = append(bins, b)
		if r.options.Warmup != nil || steady(bins) {
			r.note.steady = true
			break
		}
		if r.now() >= min(most, 2*r.options.Duration+steadyBins*length) {
			break
		}
	}
	from := r.now()
	if r.line != nil {
		from = r.line.follow(r.g.schedule(r.rate, r.options.Duration))
	}
	if ctx.Err() != nil {
		r.window.set(from, from) // nothing is measured any more
		return
	}
	r.window.set(from, from+r.options.Duration)
}

// observe waits and returns what came in meanwhile.
func (r *run) observe(ctx context.Context, d time.Duration) bin {
	begin := r.now()
	r.sleep(ctx, begin+d)
	t := r.look()
	b := bin{done: t.recentDone, p50: t.recent.quantile(0.5)}
	b.low, b.high = t.recent.interval(0.5)
	r.report(t, r.now()-begin, true)
	return b
}

// watch waits for the end of the window.
func (r *run) watch(ctx context.Context) {
	from, to := r.window.bounds()
	r.sleep(ctx, from)
	r.look()
	cpu, begin := cpuTime(), r.now()
	for now := begin; now < to && ctx.Err() == nil; now = r.now() {
		r.sleep(ctx, min(to, now+time.Second))
		r.report(r.look(), r.now()-now, false)
	}
	r.note.cpu = (cpuTime() - cpu).Seconds() / max(r.now()-begin, 1).Seconds() / float64(cores())
	if ctx.Err() != nil {
		r.note.incomplete = true
		to = min(to, max(from, r.now()))
		r.window.set(from, to)
	}
	r.note.warmup, r.note.took = from, to-from
}

// sleep waits until the time t of the step, or until ctx ends.
func (r *run) sleep(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t - r.now())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// look gathers what came in since the last look.
func (r *run) look() *tally {
	var sum tally
	for _, t := range r.tallies {
		t.look(&sum)
	}
	return &sum
}

func (r *run) report(t *tally, took time.Duration, warming bool) {
	if r.options.Progress == nil {
		return
	}
	r.options.Progress(Progress{
		Offered: r.rate, Users: r.closed, Warming: warming,
		Elapsed: r.now(), Duration: r.options.Duration,
		Rate:   float64(t.recentDone) / max(took.Seconds(), 1e-9),
		Failed: float64(t.recentBad) / math.Max(1, float64(t.recentDone)),
		P50:    t.recent.quantile(0.5), P99: t.recent.quantile(0.99),
	})
}

// drain waits for the requests that are under way: each ends within its timeout. When ctx ended, it does not wait.
func (r *run) drain(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		r.users.Wait()
		close(done)
	}()
	timer := time.NewTimer(r.options.Timeout + time.Second)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-ctx.Done():
	case <-timer.C:
	}
	r.end()
	<-done
}
