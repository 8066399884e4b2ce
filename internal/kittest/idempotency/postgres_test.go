package idempotency_test

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// server is the PostgreSQL server of this package's tests. The first test that needs it starts it. It listens only on a
// Unix socket.
var server struct {
	sync.Mutex
	dir    string
	cmd    *exec.Cmd
	reason string // why it could not be started; "" if it runs
}

// postgres returns the beginning of a DSN. It skips the test if PostgreSQL is not installed or does not start.
func postgres(t testing.TB) string {
	t.Helper()
	server.Lock()
	defer server.Unlock()
	if server.cmd == nil && server.reason == "" {
		server.reason = startPostgres()
	}
	if server.reason != "" {
		t.Skip("SKIPPED on PostgreSQL: " + server.reason)
	}
	return "host=" + server.dir + " user=tester"
}

func startPostgres() (reason string) {
	initdb := findPostgres("initdb")
	if initdb == "" {
		return "no initdb on PATH or under /usr/lib/postgresql (apt-get install postgresql)"
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return err.Error()
	}
	server.dir = dir
	data := filepath.Join(dir, "data")
	create := exec.Command(initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	if err := unprivileged(create, dir); err != nil {
		return err.Error()
	}
	if out, err := create.CombinedOutput(); err != nil {
		return "initdb: " + err.Error() + ": " + string(out)
	}
	var log bytes.Buffer
	cmd := exec.Command(findPostgres("postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "max_connections=200")
	cmd.Stderr = &log
	if err := unprivileged(cmd, dir); err != nil {
		return err.Error()
	}
	if err := cmd.Start(); err != nil {
		return err.Error()
	}
	server.cmd = cmd
	db, err := sql.Open("pgx", "host="+dir+" user=tester dbname=postgres")
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if err = db.Ping(); err == nil {
			return ""
		}
		if time.Now().After(deadline) {
			return "postgres does not respond: " + err.Error()
		}
	}
}

func findPostgres(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(found) == 0 {
		return ""
	}
	return slices.Max(found)
}

func stopPostgres() {
	server.Lock()
	defer server.Unlock()
	if server.cmd != nil {
		server.cmd.Process.Signal(os.Interrupt) // fast shutdown
		server.cmd.Wait()
	}
	if server.dir != "" {
		os.RemoveAll(server.dir)
	}
}
