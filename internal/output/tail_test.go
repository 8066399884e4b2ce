package output

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func all(*Line) bool { return true }

func of(service string) func(*Line) bool { return func(l *Line) bool { return l.Service == service } }

func read(t *testing.T, tail *Tail, n int, match func(*Line) bool) (texts []string) {
	t.Helper()
	err := tail.Read(t.Context(), n, false, match, func(l Line) error { texts = append(texts, l.Text); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestTailReturnsTheLastMatchingLines(t *testing.T) {
	var tail Tail
	for i := range 10 {
		tail.Add(Line{Service: []string{"web", "mail"}[i%2], Text: fmt.Sprint(i)})
	}
	for _, c := range []struct {
		n     int
		match func(*Line) bool
		want  string
	}{
		{3, all, "7 8 9"}, {0, all, ""}, {100, all, "0 1 2 3 4 5 6 7 8 9"}, {2, of("web"), "6 8"}, {9, of("mail"), "1 3 5 7 9"}, {5, of("none"), ""},
	} {
		if got := strings.Join(read(t, &tail, c.n, c.match), " "); got != c.want {
			t.Errorf("the last %d: %q, want %q", c.n, got, c.want)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	tail := Tail{Limit: 64 << 10}
	for i := range 5000 {
		tail.Add(Line{Text: fmt.Sprintf("%04d %s", i, strings.Repeat("x", 995))})
	}
	lines := read(t, &tail, 5000, all)
	if len(lines) < 40 || len(lines) > 64 || !strings.HasPrefix(lines[len(lines)-1], "4999 ") || tail.bytes > tail.Limit {
		t.Errorf("kept %d lines, %d bytes, the last one %.10q", len(lines), tail.bytes, lines[len(lines)-1])
	}
	tail.Add(Line{Text: strings.Repeat("y", 1<<20)})
	if lines := read(t, &tail, 5000, all); len(lines) != 1 {
		t.Errorf("kept %d lines with one that is larger than the limit", len(lines))
	}
}

func TestTailIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tail Tail
		tail.Add(Line{Service: "web", Text: "old"})
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ended := make(chan error)
		go func() {
			ended <- tail.Read(ctx, 10, true, of("web"), func(l Line) error { got = append(got, l.Text); return nil })
		}()
		synctest.Wait()
		tail.Add(Line{Service: "mail", Text: "of another service"})
		tail.Add(Line{Service: "web", Text: "new"})
		synctest.Wait()
		tail.Add(Line{Service: "web", Text: "newer"})
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil || !slices.Equal(got, []string{"old", "new", "newer"}) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestASlowReaderOfATailIsToldWhatItMissed(t *testing.T) {
	tail := Tail{Limit: 10_000}
	tail.Add(Line{Text: "first"})
	var got []string
	enough := errors.New("enough")
	err := tail.Read(t.Context(), 1, true, all, func(l Line) error {
		got = append(got, l.Text)
		if len(got) == 1 {
			for i := range 1000 {
				tail.Add(Line{Text: fmt.Sprint(i)})
			}
		}
		if l.Text == "999" {
			return enough
		}
		return nil
	})
	kept := len(got) - 2
	if !errors.Is(err, enough) || len(got) < 50 || got[1] != fmt.Sprintf("%d lines missed: this reader is too slow", 1000-kept) {
		t.Errorf("%v after %d lines: %q", err, len(got), got[:min(len(got), 3)])
	}
}

func TestLastLinesOfATailAreBounded(t *testing.T) {
	var tail Tail
	for _, text := range []string{"first", "second", "third"} {
		tail.Add(Line{Text: text})
	}
	size := (&Line{Text: "second"}).size() + (&Line{Text: "third"}).size()
	for limit, want := range map[int]int{0: 0, size - 1: 1, size: 2, 1 << 20: 3} {
		lines := tail.Last(limit)
		if len(lines) != want || want > 0 && lines[want-1].Text != "third" {
			t.Errorf("%d bytes: got %v, want the last %d lines", limit, lines, want)
		}
	}
}
