package redistest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
)

// StartExample starts a server for an Example function, which has no testing.TB. The example must call stop.
// StartExample panics if it cannot start a server. A package that calls it needs a TestMain that calls Main.
func StartExample(args ...string) (s *Server, stop func()) {
	t := &exampleTB{}
	return Start(t, args...), t.stop
}

// Main is for a function TestMain: it runs the tests and the examples, and exits. Without a server on PATH it skips all
// examples with a message, unless the environment variable CI is set.
func Main(m *testing.M) {
	flag.Parse()
	skip := flag.Lookup("test.skip")
	if _, found := lookProgram(); !found && os.Getenv("CI") == "" && skip.Value.String() == "" {
		fmt.Println("SKIPPED: the examples, because neither redis-server nor valkey-server is on PATH")
		skip.Value.Set("^Example")
	}
	os.Exit(m.Run())
}

// exampleTB has the methods of testing.TB that a Server calls.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (t *exampleTB) Helper()                           {}
func (t *exampleTB) Context() context.Context          { return context.Background() }
func (t *exampleTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (t *exampleTB) Skip(args ...any)                  { panic(fmt.Sprint(args...)) }
func (t *exampleTB) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }

func (t *exampleTB) TempDir() string {
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		panic(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// stop runs the cleanups, the last one first.
func (t *exampleTB) stop() {
	for i := range t.cleanups {
		t.cleanups[len(t.cleanups)-1-i]()
	}
}
