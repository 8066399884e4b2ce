package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/load/platform"
)

// fake is a target in memory whose behaviour is known exactly: the function answer chooses delay and status of each
// response. In a synctest bubble its time is virtual, so that a test can compare the measured values with the true
// ones.
type fake struct {
	begin  time.Time
	answer func(n int, at time.Duration) (delay time.Duration, status int)
	count  chan int // holds the number of requests; taken while one request is being handled
	conns  sync.WaitGroup
}

func newFake(answer func(n int, at time.Duration) (time.Duration, int)) *fake {
	f := &fake{begin: time.Now(), answer: answer, count: make(chan int, 1)}
	f.count <- 0
	return f
}

func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	f.conns.Go(func() { f.serve(server) }) // ends when the client closes its side
	return client, nil
}

func (f *fake) serve(nc net.Conn) {
	defer nc.Close()
	for r := bufio.NewReader(nc); ; {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		n := <-f.count
		delay, status := f.answer(n, time.Since(f.begin))
		f.count <- n + 1
		time.Sleep(delay)
		if _, err := fmt.Fprintf(nc, "HTTP/1.1 %d Status\r\nContent-Length: 2\r\n\r\nok", status); err != nil {
			return
		}
	}
}

// generator returns a generator that uses the clock of the bubble and connects to the fake.
func (f *fake) generator(t *testing.T, o Options) *Generator {
	t.Helper()
	t.Cleanup(f.conns.Wait)
	target, err := NewTarget("http://fake.test/", "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Dial = f.dial
	o.newTimer = sleepTimer
	g, err := New(target, &o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// gate returns the behaviour of a target that handles slots requests at a time, each for the service time. Its capacity
// is exactly slots / service.
func gate(slots int, service time.Duration) func(int, time.Duration) (time.Duration, int) {
	free := make([]time.Duration, slots) // when each slot is free
	return func(_ int, at time.Duration) (time.Duration, int) {
		first := 0
		for i := range free {
			if free[i] < free[first] {
				first = i
			}
		}
		free[first] = max(free[first], at) + service
		return free[first] - at, 200
	}
}

func sleepTimer() (platform.Timer, error) { return platform.SleepTimer{}, nil }

func noWarmup() *time.Duration { return new(time.Duration) }
