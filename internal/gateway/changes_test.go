package gateway

import "testing"

func TestReportClosesTheChannelsOfAllWaiters(t *testing.T) {
	var c changes
	c.report() // without a waiter
	a, b := c.next(), c.next()
	select {
	case <-a:
		t.Fatal("a channel was closed before a change")
	default:
	}
	c.report()
	<-a
	<-b
	select {
	case <-c.next():
		t.Error("a channel that was requested after the change is closed")
	default:
	}
}
