package process

import (
	"os/exec"
	"syscall"
	"testing"
)

func TestParseStat(t *testing.T) {
	for stat, want := range map[string]proc{
		"7 (sleep) S 3 7 7 0 -1":        {pid: 7, parent: 3, group: 7},
		"7 (a) Z 1 (b) R 3 9 7 0 -1":    {pid: 7, parent: 3, group: 9},
		"7 (\n) \xff) Z 1 7 7 0 -1":     {pid: 7, parent: 1, group: 7, dead: true},
		"7 (gone) X 1 7 7 0 -1":         {pid: 7, parent: 1, group: 7, dead: true},
		"7 (kthread) I 2 0 0 0 -1 2129": {pid: 7, parent: 2, group: 0},
	} {
		if got, ok := parseStat(7, []byte(stat)); !ok || got != want {
			t.Errorf("%q is %+v, %v; want %+v", stat, got, ok, want)
		}
	}
	for _, stat := range []string{"", ")", "7 (a) S", "7 (a) S 1", "7 (a) S 1 x"} {
		if got, ok := parseStat(7, []byte(stat)); ok {
			t.Errorf("%q is %+v", stat, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) Z 1 (b) R 3 9 7 0 -1"))
	f.Fuzz(func(t *testing.T, stat []byte) { parseStat(7, stat) })
}

func TestEndedGroupThatWasNotCollectedIsNotAlive(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := cmd.Process.Pid
	if !groupAlive(group) {
		t.Error("a group with a running process is not alive")
	}
	cmd.Process.Kill()
	for groupAlive(group) { // it ends before the process is collected
	}
	if err := cmd.Wait(); err == nil {
		t.Error("no error for a killed process")
	}
}

func BenchmarkSweep(b *testing.B) {
	all, err := processes()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := sweep("a-tag-that-no-process-has", nil, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(all)), "processes")
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }
