package fdlink_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

type message struct {
	Text   string `json:"text"`
	Number int    `json:"number,omitempty"`
}

func pair(t *testing.T) (a, b *fdlink.Link) {
	t.Helper()
	x, y, err := fdlink.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if a, err = fdlink.New(x); err != nil {
		t.Fatal(err)
	}
	if b, err = fdlink.New(y); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessagesKeepTheirOrderAndTheirFiles(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	long := strings.Repeat("é", 1<<20) // more than the socket holds
	go func() {
		a.Send(message{Text: "first"})
		a.Send(message{Text: long}, w, w)
		a.Send(message{Text: "last", Number: 7})
		w.Close()
		a.Close()
	}()
	for _, want := range []struct {
		text  string
		files int
	}{{"first", 0}, {long, 2}, {"last", 0}} {
		var m message
		files, err := b.Receive(&m)
		if err != nil || m.Text != want.text || len(files) != want.files {
			t.Fatalf("received %.20q with %d files, %v; want %.20q with %d", m.Text, len(files), err, want.text, want.files)
		}
		for _, f := range files {
			io.WriteString(f, "x")
		}
		fdlink.CloseAll(files)
	}
	if _, err := b.Receive(&message{}); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v", err)
	}
	if text, _ := io.ReadAll(r); string(text) != "xx" {
		t.Errorf("the received files wrote %q", text)
	}
}

// A file keeps its mode: Go reads pipes without blocking, and a deadline must still end the read.
func TestSendingAFileLeavesItsModeAlone(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := a.Send(message{}, r); err != nil {
		t.Fatal(err)
	}
	files, err := b.Receive(&message{})
	if err != nil {
		t.Fatal(err)
	}
	defer fdlink.CloseAll(files)
	for _, f := range []*os.File{r, files[0]} {
		if err := f.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	}
}

func TestInvalidInputIsAnError(t *testing.T) {
	for _, in := range []string{"\x00\x00", "\x00\x00\x00\x02{", "\xff\xff\xff\xff{}", "\x00\x00\x00\x04nope", "\x00\x00\x00\x00"} {
		x, y, err := fdlink.Pair()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(x, in)
		x.Close()
		b, err := fdlink.New(y)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Receive(&message{}); err == nil {
			t.Errorf("%q: no error", in)
		}
		b.Close()
	}
	null, _ := os.Open(os.DevNull)
	if _, err := fdlink.New(null); err == nil {
		t.Error("a file that is no socket is accepted")
	}
}

func TestAMessageThatIsTooLargeLeavesTheLinkOpen(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(message{Text: strings.Repeat("x", fdlink.MaxMessage)}); err != syscall.E2BIG {
		t.Errorf("a large message: %v", err)
	}
	go a.Send(message{Text: "next"})
	var m message
	if _, err := b.Receive(&m); err != nil || m.Text != "next" {
		t.Errorf("the next message: %+v, %v", m, err)
	}
}
