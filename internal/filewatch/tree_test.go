package filewatch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tree runs f next to a Tree in fake time. changes returns the files that were reported since the last call.
func tree(t *testing.T, paths []string, f func(t *testing.T, changes func() []string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		watched, err := NewTree(paths)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var all []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			watched.Run(ctx, func(file string) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, filepath.Base(file))
			})
		}()
		synctest.Wait()
		f(t, func() []string {
			time.Sleep(5 * interval)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			reported := all
			all = nil
			return reported
		})
		cancel()
		<-done
	})
}

func TestChangesOfATree(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "lib", "deep")
	for _, d := range []string{sub, filepath.Join(dir, ".git"), filepath.Join(dir, "node_modules", "x"), filepath.Join(dir, "lib", "__pycache__")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	app := filepath.Join(dir, "app.py")
	write(t, app, "one")
	steps := []struct {
		what string
		do   func()
		want []string
	}{
		{"nothing", func() {}, nil},
		{"written", func() { write(t, app, "more") }, []string{"app.py"}},
		{"replaced by renaming, as editors do", func() {
			write(t, app+"~", "four")
			os.Rename(app+"~", app)
		}, []string{"app.py"}},
		{"a new file in a directory below", func() { write(t, filepath.Join(sub, "a.py"), "") }, []string{"a.py"}},
		{"several files at once", func() { write(t, filepath.Join(sub, "b.py"), ""); write(t, filepath.Join(sub, "c.py"), "") }, []string{"b.py"}},
		{"a file is removed", func() { os.Remove(filepath.Join(sub, "a.py")) }, []string{"a.py"}},
		{"a hidden file", func() { write(t, filepath.Join(dir, ".env"), "A=1") }, []string{".env"}},
		{"version control", func() { write(t, filepath.Join(dir, ".git", "index"), "x") }, nil},
		{"packages", func() { write(t, filepath.Join(dir, "node_modules", "x", "index.js"), "x") }, nil},
		{"what an interpreter writes", func() { write(t, filepath.Join(dir, "lib", "__pycache__", "a.cpython.pyc"), "x") }, nil},
		{"what an editor writes", func() {
			for _, name := range []string{".app.py.swp", "app.py~", ".#app.py", "#app.py#", "4913"} {
				write(t, filepath.Join(dir, name), "x")
			}
		}, nil},
		{"a log", func() { write(t, filepath.Join(dir, "app.log"), "x") }, nil},
		{"the directory is removed", func() { os.RemoveAll(filepath.Join(dir, "lib")) }, []string{"b.py"}},
	}
	tree(t, []string{dir}, func(t *testing.T, changes func() []string) {
		for _, s := range steps {
			s.do()
			if got := changes(); !slices.Equal(got, s.want) {
				t.Fatalf("%s: %q were reported, want %q", s.what, got, s.want)
			}
		}
	})
}

// A path that is given is watched, whatever its name is.
func TestGivenPathsAreNotIgnored(t *testing.T) {
	dir := t.TempDir()
	hidden, log := filepath.Join(dir, ".sources"), filepath.Join(dir, "rules.log")
	if err := os.Mkdir(hidden, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, log, "")
	tree(t, []string{hidden, log}, func(t *testing.T, changes func() []string) {
		write(t, filepath.Join(hidden, "a.py"), "")
		if got := changes(); !slices.Equal(got, []string{"a.py"}) {
			t.Errorf("got %q", got)
		}
		write(t, log, "x")
		if got := changes(); !slices.Equal(got, []string{"rules.log"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestFilesThatChangeAllTheTimeAreReportedWhenTheyRest(t *testing.T) {
	dir := t.TempDir()
	tree(t, []string{dir}, func(t *testing.T, changes func() []string) {
		for i := range 20 {
			write(t, filepath.Join(dir, string(rune('a'+i))), "x")
			time.Sleep(interval * 3 / 4)
		}
		if got := changes(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestTreeThatDoesNotExist(t *testing.T) {
	if _, err := NewTree([]string{filepath.Join(t.TempDir(), "none")}); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}
