package runfile_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/runfile"
)

// TestMain makes this program another tenfold: it publishes the directory in its first argument, prints the name of its
// file, and ends when its standard input ends. An empty line makes it write the file again, with another address.
func TestMain(m *testing.M) {
	dir := os.Getenv("PUBLISH")
	if dir == "" {
		os.Exit(m.Run())
	}
	r := runfile.Record{Directory: dir, PID: os.Getpid(), Started: time.Now(), Token: "s3cret"}
	f, err := runfile.Publish(r, 0)
	if err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(f.Path() + "\n")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		r.Admin = "127.0.0.1:1"
		if err := f.Update(r); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("updated\n")
	}
	if f.Remove() != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// isolate gives the test an own runtime directory.
func isolate(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	return filepath.Join(dir, "tenfold")
}

// other is another process that has published a directory.
type other struct {
	*exec.Cmd
	in   interface{ Close() error }
	out  *bufio.Scanner
	path string
	say  func()
}

func publish(t *testing.T, dir string) *other {
	t.Helper()
	o := &other{Cmd: exec.Command(os.Args[0])}
	o.Env = append(os.Environ(), "PUBLISH="+dir)
	in, err := o.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := o.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Process.Kill(); o.Wait() })
	o.in, o.out = in, bufio.NewScanner(out)
	if !o.out.Scan() || !strings.HasPrefix(o.out.Text(), "/") {
		t.Fatalf("the other process: %s", o.out.Text())
	}
	o.path = o.out.Text()
	o.say = func() {
		in.Write([]byte("\n"))
		if !o.out.Scan() {
			t.Fatal("the other process has not updated its file")
		}
	}
	return o
}

func list(t *testing.T) []runfile.Record {
	t.Helper()
	all, err := runfile.List()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mine returns the records of a directory: other tenfolds of this user may run.
func mine(t *testing.T, dir string) (found []runfile.Record) {
	t.Helper()
	for _, r := range list(t) {
		if strings.HasPrefix(r.Directory, dir) {
			found = append(found, r)
		}
	}
	return found
}

func TestARunningTenfoldIsListedUntilItEnds(t *testing.T) {
	home := isolate(t)
	a, b := publish(t, "/test/a"), publish(t, "/test/b")
	found := mine(t, "/test")
	if len(found) != 2 || found[0].Directory != "/test/a" || found[1].PID != b.Process.Pid || found[1].Token != "s3cret" {
		t.Fatalf("listed %+v", found)
	}
	info, err := os.Stat(a.path)
	if err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(a.path) != home {
		t.Errorf("the file %s has the mode %v, %v", a.path, info.Mode(), err)
	}
	p, err := found[0].Process()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a.in.Close()
	if err := p.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := mine(t, "/test"); len(found) != 1 || found[0].Directory != "/test/b" {
		t.Errorf("listed %+v after the end of the first one", found)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, runfile.ErrEnded) {
		t.Errorf("a signal to a process that has ended: %v", err)
	}
	b.in.Close()
	b.Wait()
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the last tenfold has left its directory: %v", err)
	}
}

func TestTheFileOfAKilledTenfoldIsStale(t *testing.T) {
	home := isolate(t)
	killed := publish(t, "/test/killed")
	r := mine(t, "/test")[0]
	killed.Process.Kill()
	killed.Wait()
	data, err := os.ReadFile(killed.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Process(); !errors.Is(err, runfile.ErrEnded) {
		t.Errorf("the process of a killed tenfold: %v", err)
	}
	if found := mine(t, "/test"); len(found) != 0 {
		t.Errorf("listed %+v", found)
	}
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale file was not removed: %v", err)
	}

	// Its number can belong to another process, here to this one.
	text := strings.Replace(string(data), `"pid": `, `"pid": `+"1, \"was\": ", 1)
	os.MkdirAll(home, 0o700)
	os.WriteFile(killed.path, []byte(text), 0o600)
	if found := mine(t, "/test"); len(found) != 0 {
		t.Errorf("listed %+v for a number that was used again", found)
	}
}

func TestAnUpdateKeepsTheTenfoldListed(t *testing.T) {
	isolate(t)
	o := publish(t, "/test/a")
	r := mine(t, "/test")[0]
	p, err := r.Process()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o.say()
	if found := mine(t, "/test"); len(found) != 1 || found[0].Admin != "127.0.0.1:1" {
		t.Errorf("listed %+v after the update", found)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Await(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Await returned %v while the process runs", err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for range 200 {
			if len(mine(t, "/test")) != 1 {
				t.Error("not listed during an update")
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			o.say()
		}
	}
	o.in.Close()
	if err := p.Await(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestASuccessorReplacesTheFile(t *testing.T) {
	isolate(t)
	old := publish(t, "/test/a")
	f, err := runfile.Publish(runfile.Record{Directory: "/test/a", PID: os.Getpid()}, old.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the former file: %v", err)
	}
	old.in.Close()
	if err := old.Wait(); err != nil {
		t.Errorf("the former process: %v", err)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(f.Remove(), f.Update(runfile.Record{})); err != nil {
		t.Errorf("after Remove: %v", err)
	}
}

func TestADirectoryOfOtherUsersIsNotUsed(t *testing.T) {
	home := isolate(t)
	os.Mkdir(home, 0o777)
	os.Chmod(home, 0o777)
	r := runfile.Record{Directory: "/test/a", PID: os.Getpid()}
	if f, err := runfile.Publish(r, 0); err == nil || !strings.Contains(err.Error(), "can be used by other users") {
		t.Errorf("published %v, %v in a directory with the mode 0777", f, err)
	}
	os.Remove(home)
	if err := os.Symlink(t.TempDir(), home); err != nil {
		t.Fatal(err)
	}
	if f, err := runfile.Publish(r, 0); err == nil || !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("published %v, %v in a directory behind a link", f, err)
	}
	if found := mine(t, "/test"); len(found) > 0 {
		t.Errorf("listed %+v", found)
	}
}

func TestADirectoryThatCannotBeWrittenIsNotUsed(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/proc/self") // of this user, also when that is root
	t.Setenv("TMPDIR", t.TempDir())
	f, err := runfile.Publish(runfile.Record{Directory: "/test/a", PID: os.Getpid()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Remove()
	if found := mine(t, "/test"); len(found) != 1 {
		t.Errorf("listed %+v", found)
	}
}

func TestFilesThatAreNoRecordsAreIgnored(t *testing.T) {
	home := isolate(t)
	os.Mkdir(home, 0o700)
	for name, text := range map[string]string{
		"empty.json": "", "half.json": `{"directory": "/test/a", "pi`, "list.json": "[]", "no-pid.json": `{"directory": "/test/a"}`, "notes.txt": "x",
	} {
		os.WriteFile(filepath.Join(home, name), []byte(text), 0o600)
	}
	syscall.Mkfifo(filepath.Join(home, "pipe.json"), 0o600)
	if found := mine(t, "/test"); len(found) > 0 {
		t.Errorf("listed %+v", found)
	}
}
