package usertext

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"syscall"
)

func makePipe(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAPipeWithoutAWriterIsNotWaitedForForEver(t *testing.T) {
	name := makePipe(t)
	f, err := open(name, 20*time.Millisecond, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadAll(f); err == nil || err.Error() != "read "+name+": no program has written to this pipe for 20ms" {
		t.Errorf("read: %v", err)
	}
}

func TestAPipeWithASilentWriterIsNotReadForEver(t *testing.T) {
	name := makePipe(t)
	writer, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	io.WriteString(writer, "the beginning")
	f, err := open(name, time.Minute, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "the beginning" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %q, %v", data, err)
	}
}

// A program such as a manager of passwords writes when the file is read.
func TestAPipeIsReadToItsEnd(t *testing.T) {
	for _, want := range []string{"one", string(make([]byte, 1<<18))} {
		name := makePipe(t)
		written := make(chan error, 1)
		go func() {
			writer, err := os.OpenFile(name, os.O_WRONLY, 0) // waits for a reader
			if err == nil {
				_, err = io.WriteString(writer, want)
				err = errors.Join(err, writer.Close())
			}
			written <- err
		}()
		f, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if data, err := io.ReadAll(f); string(data) != want || err != nil {
			t.Errorf("read %d bytes, %v; want %d", len(data), err, len(want))
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
	}
}
