package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// A failed connection may still have a goroutine that will send the body. That goroutine must not read what belongs
// to the next attempt.
func TestBodyOfAFailedAttemptIsReclaimed(t *testing.T) {
	req, _ := http.NewRequest("PUT", "http://shop.example/", io.MultiReader(strings.NewReader("the body"))) // of unknown length
	b, err := keepBody(req, 1<<10)
	if err != nil || !b.streams() {
		t.Fatal(b, err)
	}
	first, second := req.Clone(t.Context()), req.Clone(t.Context())
	var observed recorder
	b.attach(first, &observed)
	if !b.reclaim() {
		t.Fatal("the body was not read, but cannot be sent again")
	}
	b.attach(second, &observed)
	if n, err := first.Body.Read(make([]byte, 3)); n != 0 || err != errReclaimed {
		t.Errorf("the failed attempt read %d, %v", n, err)
	}
	got, err := io.ReadAll(second.Body)
	if string(got) != "the body" || err != nil || observed.ends != 1 || observed.awaited != observed.sent {
		t.Errorf("the next attempt read %q, %v, and observed %+v", got, err, observed)
	}
	if b.reclaim() {
		t.Error("a body that was read can be sent again")
	}
	if n, err := second.Body.Read(make([]byte, 3)); n != 0 || err != io.EOF {
		t.Errorf("a body that cannot be reclaimed read %d, %v", n, err)
	}
}

// A body that is in memory is sent again from there, whatever its size.
func TestBodyInMemoryIsNotCopied(t *testing.T) {
	whole := []byte("the body")
	req, _ := http.NewRequest("POST", "http://shop.example/", exchange.NewMemoryBody(whole))
	req.ContentLength = int64(len(whole))
	b, err := keepBody(req, 1)
	if err != nil || b.streams() || &b.kept[0] != &whole[0] {
		t.Fatal(b, err)
	}
	for range 2 {
		b.attach(req, nil)
		if got, err := io.ReadAll(req.Body); string(got) != "the body" || err != nil || req.ContentLength != 8 || !b.reclaim() {
			t.Errorf("sent %q of %d, %v", got, req.ContentLength, err)
		}
	}
}

// recorder counts what a bodyObserver learns.
type recorder struct{ awaited, sent, ends int }

func (r *recorder) bodyAwaited() { r.awaited++ }

func (r *recorder) bodySent(last bool) {
	r.sent++
	if last {
		r.ends++
	}
}
