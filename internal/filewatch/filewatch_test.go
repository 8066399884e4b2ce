package filewatch

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watched runs f next to a Watcher in fake time. count returns how many changes were reported.
func watched(t *testing.T, files func() []string, f func(t *testing.T, count func() int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		n := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			New(files).Run(ctx, func() {
				mu.Lock()
				defer mu.Unlock()
				n++
			})
		}()
		synctest.Wait()
		f(t, func() int {
			time.Sleep(5 * interval)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return n
		})
		cancel()
		<-done
	})
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEachWayToChangeAFileIsReportedOnce(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	write(t, name, "one")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		what string
		do   func()
	}{
		{"written", func() { write(t, name, "more") }},
		{"replaced by renaming, as editors do", func() {
			write(t, name+"~", "four")
			os.Rename(name+"~", name)
		}},
		{"removed", func() { os.Remove(name) }},
		{"made again", func() { write(t, name, "new") }},
		{"another target of a link", func() {
			write(t, filepath.Join(dir, "other"), "new")
			os.Symlink(filepath.Join(dir, "other"), link+"~")
			os.Rename(link+"~", link)
		}},
		{"made unreadable", func() { os.Chmod(name, 0) }},
	}
	watched(t, func() []string { return []string{name, link} }, func(t *testing.T, count func() int) {
		if n := count(); n != 0 {
			t.Fatalf("%d changes without a change", n)
		}
		for i, s := range steps {
			s.do()
			if n := count(); n != i+1 {
				t.Fatalf("%s: %d changes were reported, want %d", s.what, n, i+1)
			}
		}
	})
}

// A file that is written in many steps is reported when it has come to rest.
func TestChangesInAShortTimeAreOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "")
	watched(t, func() []string { return []string{name} }, func(t *testing.T, count func() int) {
		for i := range 20 {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("line\n")
			f.Close()
			time.Sleep(interval * 3 / 4)
			if i == 19 {
				break
			}
		}
		if n := count(); n != 1 {
			t.Errorf("%d changes were reported, want 1", n)
		}
	})
}

// A file that joins the list is no change. From then on its changes are reported.
func TestTheListMayChange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "")
	write(t, b, "")
	var mu sync.Mutex
	list := []string{a}
	set := func(names ...string) {
		mu.Lock()
		defer mu.Unlock()
		list = names
	}
	files := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
	watched(t, files, func(t *testing.T, count func() int) {
		set(a, b)
		if n := count(); n != 0 {
			t.Fatalf("a longer list: %d changes", n)
		}
		write(t, b, "changed")
		if n := count(); n != 1 {
			t.Fatalf("a change of the new file: %d changes", n)
		}
		set(a)
		count()
		write(t, b, "changed again")
		if n := count(); n != 1 {
			t.Errorf("a change of a file that left the list: %d changes", n)
		}
	})
}
