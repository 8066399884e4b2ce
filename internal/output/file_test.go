package output

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestReopenContinuesInANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	f, err := OpenFile(path)
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
	f, err := OpenFile(filepath.Join(dir, "tenfold.log"))
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
	if _, err := OpenFile(path); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("OpenFile of a pipe without a reader returned %v", err)
	}
}

func TestOpenFileAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenfold.log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "after\n")
	f.Close()
	if got, _ := os.ReadFile(path); string(got) != "before\nafter\n" {
		t.Errorf("got %q", got)
	}
}
