package output

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestReopenContinuesInANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	f, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	io.WriteString(f, "old\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "old, too\n")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "new\n")
	for name, want := range map[string]string{path + ".1": "old\nold, too\n", path: "new\n"} {
		if got, _ := os.ReadFile(name); string(got) != want {
			t.Errorf("%s is %q, want %q", filepath.Base(name), got, want)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("the mode is %v, want at most rw-r-----", info.Mode())
	}
}

func TestReopenThatFailsKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(filepath.Join(dir, "tenfold.log"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("Reopen succeeded without a directory")
	}
	io.WriteString(f, "kept\n")
	if got, _ := os.ReadFile(filepath.Join(moved, "tenfold.log")); string(got) != "kept\n" {
		t.Errorf("the old file is %q", got)
	}
}

func TestOpenFileDoesNotWaitForAReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path, nil); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("OpenFile of a pipe without a reader returned %v", err)
	}
}

func TestOpenFileAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "after\n")
	f.Close()
	if got, _ := os.ReadFile(path); string(got) != "before\nafter\n" {
		t.Errorf("got %q", got)
	}
}

// content returns the text of a file, or "" when it does not exist.
func content(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func TestFileRotatesBySize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	f, err := OpenFile(path, &FileOptions{Size: 10, Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, record := range []string{"one\n", "two\n", "three\n", "four\n", "a very long record\n", "six\n"} {
		if _, err := f.Write([]byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{path: "six\n", path + ".1": "a very long record\n", path + ".2": "four\n", path + ".3": ""} {
		if got := content(name); got != want {
			t.Errorf("%s has %q, want %q", filepath.Base(name), got, want)
		}
	}
}

func TestFileKeepsNoOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	f, err := OpenFile(path, &FileOptions{Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write([]byte("one\n"))
	f.Write([]byte("two\n"))
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || content(path) != "two\n" {
		t.Errorf("%d files, %q", len(entries), content(path))
	}
}

// Another tenfold, or logrotate, may have renamed the file: only one of them renames it.
func TestFileThatWasRenamedIsNotRotatedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	o := &FileOptions{Size: 8, Keep: 3}
	a, err := OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a.Write([]byte("a one\n"))
	b.Write([]byte("b one\n")) // a and b do not know of each other's bytes
	a.Write([]byte("a two\n"))
	b.Write([]byte("b two\n"))
	if content(path) != "a two\nb two\n" || content(path+".1") != "a one\nb one\n" || content(path+".2") != "" {
		t.Errorf("got %q, %q, %q", content(path), content(path+".1"), content(path+".2"))
	}
}

// A file that cannot be rotated goes on.
func TestFileThatCannotBeRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	os.Mkdir(dir, 0o755)
	path := filepath.Join(dir, "tenfold.log")
	f, err := OpenFile(path, &FileOptions{Size: 4, Keep: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.MkdirAll(filepath.Join(path+".1", "a directory in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := f.Write([]byte("one\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(path); got != "one\none\none\n" {
		t.Errorf("got %q", got)
	}
}

// Records are lost neither by rotation nor by reopening, with many writers.
func TestRotationUnderLoadLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	f, err := OpenFile(path, &FileOptions{Size: 64 << 10, Keep: 1000})
	if err != nil {
		t.Fatal(err)
	}
	s := Open("file", f, &Options{Limit: 64 << 20})
	const writers, records = 8, 5000
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range records {
				fmt.Fprintf(s.Batched(), "record %d of %d\n", i, w)
				if i%1000 == 0 {
					f.Reopen()
				}
			}
		})
	}
	all.Wait()
	if !s.Close(time.Minute) || s.Dropped() > 0 {
		t.Fatalf("%d records were dropped", s.Dropped())
	}
	f.Close()
	names, _ := filepath.Glob(path + "*")
	seen := map[string]int{}
	for _, name := range names {
		if text := content(name); len(text) > 64<<10 {
			t.Errorf("%s has %d bytes", name, len(text))
		} else {
			for line := range strings.Lines(text) {
				seen[line]++
			}
		}
	}
	for line, n := range seen {
		if n != 1 {
			t.Errorf("%q is there %d times", line, n)
		}
	}
	if len(seen) != writers*records || len(names) < 5 {
		t.Errorf("%d records in %d files, want %d", len(seen), len(names), writers*records)
	}
}
