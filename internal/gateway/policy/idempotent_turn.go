package policy

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/claim"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// run sends the request to the service, and keeps the claim while it works.
func (p *idempotent) run(w http.ResponseWriter, r *http.Request, c *claim.Claim, body []byte) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	defer context.AfterFunc(r.Context(), func() {
		p.goOn(ctx)
		cancel(context.Cause(r.Context()))
	})()
	t := p.begin(ctx, c)
	defer t.release()
	k := &keeper{w: w, rec: exchange.From(r), turn: t, header: http.Header{}, limit: p.config.AnswerBytes}
	defer k.brokenOff()

	out := r.WithContext(ctx)
	out.Body, out.ContentLength, out.TransferEncoding = http.NoBody, int64(len(body)), nil
	if len(body) > 0 {
		exchange.From(r).BodyInMemory = true
		out.Body = exchange.NewMemoryBody(body)
	}
	delete(out.Header, "Te") // trailers cannot be given again
	p.next.ServeHTTP(k, out)
	k.record()
	k.finish()
	if r.Context().Err() != nil { // perhaps it has closed its sending side alone, and reads the answer
		rec := exchange.From(r)
		rec.Status, rec.Reason, rec.Err = problem.StatusClientGone, "client_gone", context.Cause(r.Context())
	}
}

// goOn returns when a request whose client has left must end: at once if there are too many of them.
func (p *idempotent) goOn(ctx context.Context) {
	if !p.left.enter() {
		return
	}
	defer p.left.leave()
	patience := time.NewTimer(p.patience)
	defer patience.Stop()
	select {
	case <-patience.C:
	case <-p.late.ctx.Done():
	case <-ctx.Done():
	}
}

// left are the requests of a service that go on without their clients. They are few: a client that resets what it has sent
// costs itself nothing, and could take all places of the service, and of its queue, from those that wait for their answers.
type left struct{ places chan struct{} }

// maxLeft is how many there are at most; fewer, a tenth of the places of one node, where these are bounded.
const maxLeft = 64

func newLeft(inFlight int) *left {
	n := maxLeft
	if inFlight > 0 {
		n = min(n, max(1, inFlight/10))
	}
	return &left{make(chan struct{}, n)}
}

// enter reports whether there is room for one more.
func (l *left) enter() bool {
	select {
	case l.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *left) leave() { <-l.places }

// turn is one request's time with its key. It ends once: with free, or with record.
type turn struct {
	*idempotent
	claim *claim.Claim
	ctx   context.Context // of the store's answers, which are worth waiting for whether or not the client does

	stop context.CancelFunc
	held sync.WaitGroup
}

// begin keeps the claim until release.
func (p *idempotent) begin(ctx context.Context, c *claim.Claim) *turn {
	t := &turn{idempotent: p, claim: c, ctx: context.WithoutCancel(ctx)}
	ctx, t.stop = context.WithCancel(t.ctx)
	t.held.Go(func() { c.Hold(ctx) }) // should it lose the claim, record will say so
	return t
}

// release lets go of the claim: a lease that is renewed after free would hold the key for nobody.
func (t *turn) release() {
	t.stop()
	t.held.Wait()
}

// free makes the key as good as new.
func (t *turn) free() {
	t.release()
	t.count("freed")
	if t.claim.Abandon(t.ctx) != nil {
		t.late.begin(func(ctx context.Context) { again(ctx, t.claim, t.claim.Abandon) })
	}
}

// record stores the answer. Should the store be away, it goes on trying when the answer is on its way.
func (t *turn) record(a claim.Answer) {
	t.release()
	complete := func(ctx context.Context) error { return t.claim.Complete(ctx, a) }
	err := complete(t.ctx)
	if err == nil || errors.Is(err, claim.ErrLost) ||
		!t.late.begin(func(ctx context.Context) { t.recorded(a, again(ctx, t.claim, complete)) }) {
		t.recorded(a, err)
	}
}

func (t *turn) recorded(a claim.Answer, err error) {
	switch {
	case err != nil:
		t.count("lost")
		t.log.Warn("answer not recorded: a repetition may have its effect again", "service", t.service, "err", err)
	case a.Kept:
		t.count("recorded")
	default:
		t.count("unkept")
	}
}

// latePause is how often a store that was away is tried again.
const latePause = 500 * time.Millisecond

// again tries to tell the store how a request ended for as long as its claim may stand.
func again(ctx context.Context, c *claim.Claim, tell func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.Lease())
	defer cancel()
	for {
		err := tell(ctx)
		if err == nil || errors.Is(err, claim.ErrLost) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(latePause):
		}
	}
}

// late is what goes on when its request has been answered: the store is told how it ended.
type late struct {
	ctx context.Context // over when nothing may go on for which no client waits
	end context.CancelFunc

	mu   sync.Mutex
	over bool           // nothing may begin
	busy sync.WaitGroup // what has begun
	room chan struct{}  // bounds it
}

// maxLate is how many answers and claims may wait for the store to come back. More are left to their leases.
const maxLate = 1024

func newLate() *late {
	l := &late{room: make(chan struct{}, maxLate)}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// begin runs do in the background, and reports whether it does.
func (l *late) begin(do func(context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	select {
	case l.room <- struct{}{}:
	default:
		return false
	}
	l.busy.Go(func() {
		defer func() { <-l.room }()
		do(l.ctx)
	})
	return true
}

// cut ends it, and returns when nothing is left.
func (l *late) cut() {
	l.end()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.busy.Wait()
}
