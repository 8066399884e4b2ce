package process

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCgroupDir(t *testing.T) {
	const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	const other = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	for name, c := range map[string]struct{ groups, mounts, want string }{
		"systemd":                 {"0::/system.slice/tenfold.service\n", other + v2, "/sys/fs/cgroup/system.slice/tenfold.service"},
		"both versions":           {"5:memory:/a\n0::/b\n", "1 2 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" + strings.ReplaceAll(v2, "/sys/fs/cgroup ", "/sys/fs/cgroup/unified "), "/sys/fs/cgroup/unified/b"},
		"a part is mounted":       {"0::/docker/x/app\n", strings.ReplaceAll(v2, " / /sys", " /docker/x /sys"), "/sys/fs/cgroup/app"},
		"another part is mounted": {"0::/a\n", strings.ReplaceAll(v2, " / /sys", " /docker/x /sys"), ""},
		"version 1 only":          {"5:memory:/a\n", v2, ""},
		"not mounted":             {"0::/a\n", other, ""},
		"nothing":                 {"", "", ""},
	} {
		got, err := cgroupDir([]byte(c.groups), []byte(c.mounts))
		if got != c.want || (c.want == "") != errors.Is(err, errNotDelegated) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestMemoryStat(t *testing.T) {
	for text, want := range map[string]int64{
		"anon 4096\nfile 99999\nshmem 1024\nanon_thp 7\n": 5120,
		"anon 0\nshmem 0\n": -1, // a group that its node has not entered
		"file 1\n":          -1,
		"anon x\n":          -1,
	} {
		got, ok := parseMemoryStat([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// The kernel's files are plain ones here: only what is written into them is tested.
func TestControlGroupsOfNodes(t *testing.T) {
	base := t.TempDir()
	for name, text := range map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.procs": ""} {
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ended, running := filepath.Join(base, "tenfold-OTHERTAG-app-1"), filepath.Join(base, "tenfold-OTHERTAG-app-2")
	for _, dir := range []string{ended, filepath.Join(running, "x")} { // the kernel refuses to remove a group with processes
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := prepareCgroups(base, "0123456789ABCDEF")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := c.add("app-7", 400<<20, 250)
	if err != nil || filepath.Base(dir) != "tenfold-01234567-app-7" {
		t.Fatalf("got %q, %v", dir, err)
	}
	for file, want := range map[string]string{
		filepath.Join(base, "cgroup.subtree_control"): "+memory +cpu",
		filepath.Join(dir, "memory.max"):              "524288000",
		filepath.Join(dir, "cpu.weight"):              "250",
	} {
		if got, err := os.ReadFile(file); string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, want)
		}
	}
	for path, exists := range map[string]bool{ended: false, running: true, filepath.Join(base, mainGroup): true} {
		if _, err := os.Stat(path); (err == nil) != exists {
			t.Errorf("%s: %v, want it there: %v", path, err, exists)
		}
	}
	if _, ok := c.used("app-7"); ok {
		t.Error("a group without memory.stat is measured")
	}
}

func TestControlGroupWithoutControllersIsNotUsed(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(filepath.Join(base, "cgroup.controllers"), []byte("pids\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepareCgroups(base, "0123456789ABCDEF"); !errors.Is(err, errNotDelegated) {
		t.Errorf("got %v", err)
	}
	if delegated(base) {
		t.Error("a directory without a mark is delegated")
	}
}

// A real group: the program of a limited node runs in it. A group that does not exist does not keep a node from its start.
func TestLimitedNodeEntersItsControlGroup(t *testing.T) {
	own, err := ownCgroup()
	if err != nil {
		t.Skip("this machine has no control groups of version 2")
	}
	dir := filepath.Join(own, "tenfold-test-"+filepath.Base(t.TempDir()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("control groups cannot be made here: %v", err)
	}
	t.Cleanup(func() { unix.Rmdir(dir) })
	for group, want := range map[string]string{dir: filepath.Base(dir), dir + "-none": "enter control group: "} {
		set, err := json.Marshal(limits{Cgroup: group})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(os.Args[0], "limit", string(set), "/bin/sh", "sh", "-c", "cat /proc/self/cgroup; exit 7").CombinedOutput()
		if code := (*exec.ExitError)(nil); !errors.As(err, &code) || code.ExitCode() != 7 || !strings.Contains(string(out), want) {
			t.Errorf("got %v, %s, want %s", err, out, want)
		}
	}
}
