package output

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACappedFileKeepsItsLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	opened := 0
	c, err := OpenCapped(path, 100, func(*os.File) error { opened++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		fmt.Fprintf(c, "line %04d\n", i) // 10 bytes
	}
	now, _ := os.ReadFile(path)
	before, _ := os.ReadFile(path + ".1")
	if !strings.HasPrefix(string(before), "line 0080\n") || !strings.HasSuffix(string(now), "line 0099\n") || len(now) != 100 || opened != 10 {
		t.Errorf("opened %d files; the older one has %q, the newer one %q", opened, before, now)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	again, err := OpenCapped(path, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	again.Write([]byte("next\n"))
	if now, _ := os.ReadFile(path); string(now) != "next\n" {
		t.Errorf("after it was opened again, a full file has %q", now)
	}
}

func TestACappedFileThatCannotBeRenamedGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c, err := OpenCapped(path, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(path+".1/full", 0o700) // a directory that a rename does not replace
	c.Write([]byte("12345678\n"))
	c.Write([]byte("12345678\n"))
	if got, _ := os.ReadFile(path); strings.Count(string(got), "12345678\n") != 2 || !strings.Contains(string(got), "not rotated") {
		t.Errorf("got %q", got)
	}
}
