package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// A connection that failed may have a goroutine left that was to send the body and has not begun. It must not take
// anything from the try that comes after.
func TestBodyOfAFailedTryIsTakenBack(t *testing.T) {
	req, _ := http.NewRequest("PUT", "http://shop.example/", io.MultiReader(strings.NewReader("the body"))) // of unknown length
	b, err := keepBody(req, 1<<10)
	if err != nil || !b.streams() {
		t.Fatal(b, err)
	}
	first, second := req.Clone(t.Context()), req.Clone(t.Context())
	var heard hearer
	b.attach(first, &heard)
	if !b.reclaim() {
		t.Fatal("nobody has read, and the body is not whole")
	}
	b.attach(second, &heard)
	if n, err := first.Body.Read(make([]byte, 3)); n != 0 || err != errReclaimed {
		t.Errorf("the failed try read %d, %v", n, err)
	}
	if got, err := io.ReadAll(second.Body); string(got) != "the body" || err != nil || heard.ends != 1 || heard.awaited != heard.sent {
		t.Errorf("the next try read %q, %v, and its try heard %+v", got, err, heard)
	}
	if b.reclaim() {
		t.Error("a body that was read is whole")
	}
	if n, err := second.Body.Read(make([]byte, 3)); n != 0 || err != io.EOF {
		t.Errorf("a body that could not be taken back read %d, %v", n, err)
	}
}

// A body that is in memory is sent again from there, however large it is.
func TestBodyInMemoryIsKeptAsItIs(t *testing.T) {
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

type hearer struct{ awaited, sent, ends int }

func (h *hearer) bodyAwaited() { h.awaited++ }

func (h *hearer) bodySent(ended bool) {
	h.sent++
	if ended {
		h.ends++
	}
}
