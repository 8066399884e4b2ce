package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A change of a source restarts the nodes, one by one, without a failed request. A change that does not start is held
// back, and the next one works again.
func TestUpRestartsTheNodesWhenASourceChanges(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "app.sh")
	replace := func(text string) { // as an editor writes: by renaming
		if err := os.WriteFile(source+"~", []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(source+"~", source); err != nil {
			t.Fatal(err)
		}
	}
	replace("exec service")
	x := up(t, call{dir: dir, args: append([]string{"--nodes", "2", "--restart-on", ".", "--restart-on", "app.sh"}, append(quiet, "--", "sh", "app.sh")...)})
	l := offer(x, 50, visits)
	before := x.nodes()

	replace("exec service # new")
	x.await("all nodes are new", func() bool { return x.node(before[0].ID).ID == "" && x.node(before[1].ID).ID == "" })
	x.stderr.await(x, `service restarted`)

	second := x.nodes()
	replace("echo syntax error; exit 3")
	x.stderr.await(x, `service not restarted: its old nodes go on.*exit status 3.*syntax error`)
	for _, n := range second {
		if x.node(n.ID).PID != n.PID {
			t.Errorf("%s does not run any more", n.ID)
		}
	}

	replace("exec service # repaired")
	x.await("all nodes are new again", func() bool { return x.node(second[0].ID).ID == "" && x.node(second[1].ID).ID == "" })
	noneFailed(t, l.end())

	if restarts := strings.Count(x.stderr.String(), "restart: a file has changed"); restarts != 3 {
		t.Errorf("%d restarts, want 3: one for each change", restarts)
	}
	x.stop()
}
