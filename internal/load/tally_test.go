package load

import (
	"math"
	"net"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// The memory of a step depends neither on the number of its requests nor on its duration: after the first request, a
// tally allocates nothing. It accepts values from below a microsecond to far above an hour.
func TestTallyMemoryIsConstant(t *testing.T) {
	var w window
	w.set(0, 24*time.Hour)
	tl := &tally{window: &w}
	at := time.Duration(0)
	record := func() {
		at += 7 * time.Millisecond
		tl.request(at, at, at+time.Microsecond, at+at/3, result{})
		tl.visit(at, at+at/3, false)
	}
	record()
	if n := testing.AllocsPerRun(1_000_000, record); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
	tl.request(0, 0, 0, 100*time.Hour, result{})
	tl.request(5, 5, 5, 4, result{})
	if got := tl.latency.max(); got < time.Hour || got > time.Hour+time.Minute {
		t.Errorf("a latency of 100 hours counts as %v, want an hour", got)
	}
	if size := tl.latency.h.ByteSize(); size > 256<<10 {
		t.Errorf("a histogram takes %d bytes", size)
	}
}

func TestErrorKindsAreBounded(t *testing.T) {
	tl := &tally{}
	for i := range 10_000 {
		tl.addKind(curve.ErrorKind(rune('a'+i%5000)), 1)
	}
	if len(tl.kinds) > maxKinds+1 || tl.kinds[otherKind] == 0 {
		t.Errorf("%d kinds, %d others; want at most %d kinds", len(tl.kinds), tl.kinds[otherKind], maxKinds+1)
	}
}

// A request of the raw caller allocates nothing, except for what the runtime allocates for a socket.
func TestRawCallerAllocatesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		response, buf := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), make([]byte, 4096)
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
			nc.Write(response)
		}
	}()
	target, err := NewTarget("http://"+l.Addr().String(), "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := g.newRun(&openLoad{rate: 1})
	r.window.set(0, math.MaxInt64)
	u := r.newUser()
	defer u.caller.close()
	visit := func() {
		now := r.now()
		end := u.caller.visit(t.Context(), u, now, now)
		u.tally.visit(now, end.at, end.aborted)
	}
	visit()
	visit()
	if n := testing.AllocsPerRun(1000, visit); n >= 1 {
		t.Errorf("%v allocations per request", n)
	}
	if u.tally.failed > 0 {
		t.Errorf("errors: %v", u.tally.kinds)
	}
}

func TestIntervalOfAPercentile(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.record(time.Duration(i+1) * time.Millisecond)
	}
	low, high := h.interval(0.99)
	near(t, "low", float64(low.Milliseconds()), 984, 0.002) // rank 990 - 1.96 * sqrt(9.9)
	near(t, "high", float64(high.Milliseconds()), 997, 0.002)
	near(t, "p99", float64(h.quantile(0.99).Milliseconds()), 990, 0.002)
}

func BenchmarkTallyRequest(b *testing.B) {
	var w window
	w.reset()
	w.set(0, time.Hour)
	t := &tally{window: &w}
	for i := range b.N {
		d := time.Duration(i%1000) * time.Microsecond
		t.request(d, d, d, d+5*time.Millisecond, result{})
	}
}
