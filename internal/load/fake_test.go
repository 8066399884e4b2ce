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
)

// fake is a target in memory whose behaviour is known exactly: it answers a request after answer's delay, with its
// status. In a synctest bubble its time is virtual, so what is measured can be compared with what is true.
type fake struct {
	begin  time.Time
	answer func(n int, at time.Duration) (delay time.Duration, status int)
	asked  chan int // holds how many requests came, while nobody is being answered
	conns  sync.WaitGroup
}

func newFake(answer func(n int, at time.Duration) (time.Duration, int)) *fake {
	f := &fake{begin: time.Now(), answer: answer, asked: make(chan int, 1)}
	f.asked <- 0
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
		n := <-f.asked
		delay, status := f.answer(n, time.Since(f.begin))
		f.asked <- n + 1
		time.Sleep(delay)
		if _, err := fmt.Fprintf(nc, "HTTP/1.1 %d Status\r\nContent-Length: 2\r\n\r\nok", status); err != nil {
			return
		}
	}
}

// generator is one whose clock and network are the bubble's.
func (f *fake) generator(t *testing.T, o Options) *Generator {
	t.Helper()
	t.Cleanup(f.conns.Wait)
	target, err := NewTarget("http://fake.test/", "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Dial = f.dial
	o.alarm = func() (alarm, error) { return timerAlarm{}, nil }
	g, err := New(target, &o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// gate is a target that works on so many requests at a time, each for service: its capacity is slots / service, exactly.
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

func noWarmup() *time.Duration { return new(time.Duration) }
