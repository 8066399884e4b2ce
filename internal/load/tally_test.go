package load

import (
	"math"
	"net"
	"testing"
	"time"
)

// The memory of a step depends neither on how many requests it makes nor on how long it runs: once its histograms exist,
// nothing is allocated for a request. Values from below a microsecond to far above an hour find their place.
func TestResultsTakeNoMoreMemoryAsTheyCome(t *testing.T) {
	var w window
	w.set(0, 24*time.Hour)
	tl := &tally{window: &w}
	at := time.Duration(0)
	record := func() {
		at += 7 * time.Millisecond
		tl.request(at, at, at+time.Microsecond, at+at/3, answer{bytes: 10})
		tl.visit(at, at+at/3, false)
	}
	record()
	if n := testing.AllocsPerRun(1_000_000, record); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
	tl.request(0, 0, 0, 100*time.Hour, answer{})
	tl.request(5, 5, 5, 4, answer{})
	if got := tl.latency.max(); got < time.Hour || got > time.Hour+time.Minute {
		t.Errorf("a latency of 100 hours counts as %v, want an hour", got)
	}
	if size := tl.latency.h.ByteSize(); size > 256<<10 {
		t.Errorf("a histogram takes %d bytes", size)
	}
}

// The kinds of errors are bounded as well.
func TestFaultsAreBounded(t *testing.T) {
	tl := &tally{}
	for i := range 10_000 {
		tl.fault(string(rune('a'+i%5000)), 1)
	}
	if len(tl.faults) > maxFaults+1 || tl.faults["other"] == 0 {
		t.Errorf("%d kinds", len(tl.faults))
	}
}

// A request over the fast way allocates nothing, beside what the runtime does for a socket.
func TestTheHotPathAllocatesNothing(t *testing.T) {
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
		answer, buf := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), make([]byte, 4096)
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
			nc.Write(answer)
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
	r := g.newRun(1)
	defer r.end()
	r.window.set(0, math.MaxInt64)
	u := r.newUser()
	defer u.caller.close()
	u.visit(0, 0)
	u.visit(0, 0)
	if n := testing.AllocsPerRun(1000, func() { u.visit(r.now(), r.now()) }); n >= 1 {
		t.Errorf("%v allocations per request", n)
	}
	if u.tally.failed > 0 {
		t.Errorf("faults: %v", u.tally.faults)
	}
}

func TestIntervalOfAPercentile(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.record(time.Duration(i+1) * time.Millisecond)
	}
	low, high := h.interval(0.99)
	near(t, "low", float64(low.Milliseconds()), 984, 0.002) // ranks 990 -+ 1.96 * sqrt(9.9)
	near(t, "high", float64(high.Milliseconds()), 997, 0.002)
	near(t, "p99", float64(h.quantile(0.99).Milliseconds()), 990, 0.002)
}

// Counting a request is on the hot path of the generator.
func BenchmarkTallyRequest(b *testing.B) {
	var w window
	w.reset()
	w.set(0, time.Hour)
	t := &tally{window: &w}
	for i := range b.N {
		d := time.Duration(i%1000) * time.Microsecond
		t.request(d, d, d, d+5*time.Millisecond, answer{bytes: 10})
	}
}
