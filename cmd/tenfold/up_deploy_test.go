package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// shopWithMigration is a file with a service of three nodes. Its command of before writes a line to a journal.
type shopWithMigration struct {
	run     string // default: the service
	version string
	journal string
	migrate string // a shell command more
	store   string
}

func (s shopWithMigration) String() string {
	run := s.run
	if run == "" {
		run = "[service]"
	}
	store := ""
	if s.store != "" {
		store = "store: " + s.store + "\n"
	}
	return fmt.Sprintf(`%sdrain: 2s
services:
  shop:
    run: %s
    before: [sh, -c, "echo $VERSION >> %s; %s"]
    env: {VERSION: %s}
    nodes: 3
    start_timeout: 20s
`, store, run, s.journal, strings.TrimSpace(s.migrate+" true"), s.version)
}

// lines returns the lines of a file.
func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// verbFails runs another tenfold as verb does. It must fail with this exit code.
func (x *running) verbFails(code int, args ...string) string {
	x.t.Helper()
	cmd := exec.Command("tenfold", args...)
	cmd.Env = append(os.Environ(), "TENFOLD_ADMIN="+x.admin, raceQuickly)
	cmd.SysProcAttr = endWithTest()
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != code {
		x.t.Errorf("tenfold %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return string(out)
}

// A service with a migration and three nodes under load: a version that does not start, one that ends after its probe, one
// that works, and a rollback. Each version is migrated once, and no request fails.
func TestUpDeployWithMigrationUnderLoad(t *testing.T) {
	dir := t.TempDir()
	file, journal := filepath.Join(dir, "tenfold.yaml"), filepath.Join(dir, "journal")
	s := shopWithMigration{version: "v1", journal: journal}
	write(t, file, s.String())
	x := upQuietly(t, "", "-f", file)
	l := offer(x, 100, visits)

	for i, broken := range []string{
		`[sh, -c, "echo no disk; exit 3"]`,
		`[sh, -c, "service & sleep 0.6; echo out of memory; exit 4"]`, // serves for a moment
	} {
		before := x.nodes()
		s.run, s.version = broken, fmt.Sprint("broken", i)
		rewrite(t, file, s.String())
		said := x.verbFails(1, "deploy", "shop")
		if !strings.Contains(said, `deploy service "shop": new node "shop-`) || !strings.Contains(said, []string{"\n  no disk\n", "\n  out of memory\n"}[i]) {
			t.Errorf("deploy of a broken version says %s", said)
		}
		x.awaitReady()
		if i == 0 {
			for j, n := range x.nodes() {
				if n.PID != before[j].PID {
					t.Errorf("node %s is another process after a deploy that was held back", n.ID)
				}
			}
		}
		if got := x.service("shop"); got.Version != 1 || got.CrashLoop {
			t.Errorf("after a deploy that was held back the service is %+v", got)
		}
	}
	s.run, s.version = "", "v2"
	rewrite(t, file, s.String())
	x.verb("deploy", "shop")
	x.wantVersion("v2")
	x.verb("rollback", "shop")
	x.wantVersion("v1")
	if got, want := strings.Join(lines(t, journal), " "), "v1 broken0 broken1 v2"; got != want {
		t.Errorf("migrations ran for %s, want %s", got, want)
	}
	answers := l.end()
	noneFailed(t, answers)
	figure(t, "deploy", summarize(answers).pairs()...)
	x.stop()
}

// service returns the status of one service.
func (x *running) service(name string) status.Service {
	x.t.Helper()
	for _, s := range x.services() {
		if s.Name == name {
			return s
		}
	}
	x.t.Fatalf("there is no service %s", name)
	return status.Service{}
}

// wantVersion checks what the nodes answer.
func (x *running) wantVersion(want string) {
	x.t.Helper()
	for range 20 {
		if code, got := x.fetch("/version"); code != 200 || strings.TrimSpace(got) != want {
			x.t.Errorf("a node answers %d %q, want %s", code, got, want)
		}
	}
}

// fetch sends a request to the gateway.
func (x *running) fetch(path string) (int, string) {
	x.t.Helper()
	resp, err := http.Get(x.url + path)
	if err != nil {
		x.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	resp.Write(&b)
	_, body, _ := strings.Cut(b.String(), "\r\n\r\n")
	return resp.StatusCode, body
}

// While a deploy rolls, nodes are killed, the service is scaled, and a second deploy, a restart and an upgrade come. These
// are refused with the reason, and the deploy ends whole.
func TestUpDeployWithOtherChangesAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	file, journal, gate := filepath.Join(dir, "tenfold.yaml"), filepath.Join(dir, "journal"), filepath.Join(dir, "gate")
	s := shopWithMigration{version: "v1", journal: journal}
	text := func() string { return strings.Replace(s.String(), "nodes: 3", "nodes: 3..5", 1) }
	write(t, file, text())
	x := upQuietly(t, "", "-f", file)
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/small") })
	s.version, s.migrate = "v2", "until test -e "+gate+"; do sleep 0.05; done;"
	rewrite(t, file, text())
	result := make(chan string)
	go func() { result <- x.verb("deploy", "shop") }()
	x.await("the migration runs", func() bool { return len(lines(t, journal)) == 2 })
	for _, verb := range [][]string{{"deploy", "shop"}, {"rollback", "shop"}, {"restart", "shop"}} {
		if said := x.verbFails(1, verb...); !strings.Contains(said, "not finished") {
			t.Errorf("tenfold %s during a deploy says %s", verb[0], said)
		}
	}
	if said := x.verb("status"); !strings.Contains(said, "deploy is running") {
		t.Errorf("status during a deploy says %s", said)
	}
	x.verb("scale", "shop", "5")
	write(t, gate, "")
	for range 3 {
		time.Sleep(100 * time.Millisecond)
		for _, n := range x.nodes() {
			kill(t, n.PID, syscall.SIGKILL)
			break
		}
	}
	said := <-result
	if want := "deployed shop: version 2 on 5 nodes\n"; said != want {
		t.Errorf("deploy says %q, want %q", said, want)
	}
	x.awaitReady()
	x.wantVersion("v2")
	if got, want := strings.Join(lines(t, journal), " "), "v1 v2"; got != want {
		t.Errorf("migrations ran for %s, want %s", got, want)
	}
	noneFailed(t, l.end())
	x.stop()
}

// A part of the requests goes to the new version, on real processes.
func TestUpDeployToAShare(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tenfold.yaml")
	s := shopWithMigration{version: "v1", journal: filepath.Join(dir, "journal")}
	write(t, file, s.String())
	x := upQuietly(t, "", "-f", file)
	s.version = "v2"
	rewrite(t, file, s.String())
	x.verb("deploy", "shop", "--share", "20%")
	counts := map[string]int{}
	const requests = 1000
	for range requests {
		_, version := x.fetch("/version")
		counts[strings.TrimSpace(version)]++
	}
	if share := float64(counts["v2"]) / requests; share < 0.15 || share > 0.25 || counts["v1"]+counts["v2"] != requests {
		t.Errorf("answers by version: %v, want 20%% of v2", counts)
	}
	x.verb("deploy", "shop", "--promote")
	x.wantVersion("v2")
	x.verb("rollback", "shop")
	x.wantVersion("v1")
	x.stop()
}

// Tenfolds on one store migrate each version once: those that start together, and those that deploy one after the other.
// When the one that migrates is killed, another one does it.
func TestUpTenfoldsOnOneStoreMigrateOnce(t *testing.T) {
	store := redistest.Start(t)
	dir := t.TempDir()
	file, journal := filepath.Join(dir, "tenfold.yaml"), filepath.Join(dir, "journal")
	s := shopWithMigration{version: "v1", journal: journal, migrate: "sleep 0.3;", store: store.URL()}
	write(t, file, s.String())
	var all [2]*running
	var starts sync.WaitGroup
	for i := range all {
		starts.Go(func() { all[i] = upAnyhow(t, call{args: []string{"--access", "off", "-f", file}}) })
	}
	starts.Wait()
	for _, x := range all {
		x.awaitReady()
	}
	s.version = "v2"
	rewrite(t, file, s.String())
	for _, x := range all {
		x.verb("deploy", "shop")
		x.wantVersion("v2")
	}
	if got, want := strings.Join(lines(t, journal), " "), "v1 v2"; got != want {
		t.Errorf("migrations ran for %s, want %s", got, want)
	}

	s.version, s.migrate = "v3", "test $(wc -l < "+journal+") -gt 3 || sleep 600;"
	rewrite(t, file, s.String())
	go all[0].deployUntilKilled()
	all[1].await("the first tenfold migrates", func() bool { return len(lines(t, journal)) == 3 })
	all[0].signal(syscall.SIGKILL)
	all[1].verb("deploy", "shop")
	all[1].wantVersion("v3")
	if got, want := strings.Join(lines(t, journal), " "), "v1 v2 v3 v3"; got != want {
		t.Errorf("migrations ran for %s, want %s", got, want)
	}
	all[1].stop()
}

// deployUntilKilled deploys on a tenfold that is killed meanwhile.
func (x *running) deployUntilKilled() {
	cmd := exec.Command("tenfold", "deploy", "shop")
	cmd.Env = append(os.Environ(), "TENFOLD_ADMIN="+x.admin, raceQuickly)
	cmd.SysProcAttr = endWithTest()
	cmd.Run()
}

// A worker with restart: never has done its work: it is not started again, and the services after it start.
func TestUpJobBeforeAService(t *testing.T) {
	dir := t.TempDir()
	file, journal := filepath.Join(dir, "tenfold.yaml"), filepath.Join(dir, "journal")
	write(t, file, fmt.Sprintf(`services:
  seed: {run: [sh, -c, "sleep 0.2; echo seeded >> %s"], nodes: 1, restart: never}
  shop: {run: [sh, -c, "test -e %s && exec service"], nodes: 2, after: seed}
routes: [{path: /, to: shop}]
`, journal, journal))
	x := upAnyhow(t, call{args: append([]string{"-f", file}, quiet...)})
	x.await("the service is whole", func() bool { s := x.service("shop"); return s.Ready == 2 })
	if s := x.service("seed"); s.Finished != 1 || s.Restarts != 0 {
		t.Errorf("the job is %+v", s)
	}
	if s := x.service("shop"); s.Restarts != 0 {
		t.Errorf("the service started before the job was done: %+v", s)
	}
	if got := lines(t, journal); len(got) != 1 {
		t.Errorf("the job ran %d times", len(got))
	}
	x.stop()
}
