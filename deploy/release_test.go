// Package deploy_test builds a release for this machine as deploy/release does for all, and looks into its files.
package deploy_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const version = "1.2.3"

// TestRelease builds the release in two directories. Its files are the same byte for byte, and hold what they should.
func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: .deb packages are built on Linux only")
	}
	one, two := build(t), build(t)
	sums := read(t, filepath.Join(one, "SHA256SUMS"))
	if other := read(t, filepath.Join(two, "SHA256SUMS")); sums != other {
		t.Errorf("two builds of one commit differ:\n%s\n%s", sums, other)
	}
	archive := "tenfold_" + version + "_linux_" + runtime.GOARCH
	deb := "tenfold_" + version + "_" + runtime.GOARCH + ".deb"
	for _, name := range []string{archive + ".tar.gz", deb} {
		if !strings.Contains(sums, "  "+name+"\n") {
			t.Fatalf("SHA256SUMS does not name %s:\n%s", name, sums)
		}
	}
	command(t, one, "sha256sum", "--check", "--strict", "SHA256SUMS")
	command(t, one, "tar", "-xzf", archive+".tar.gz")
	binary := filepath.Join(one, archive, "tenfold")
	checkBinary(t, binary)
	checkPackage(t, filepath.Join(one, deb), binary)
}

// build copies the files of the repository into a new directory, commits them there, and builds the release. It returns
// the directory of the files. The commit has the same author and time each time, so it has the same hash.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := command(t, "..", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for _, name := range strings.Split(strings.TrimSuffix(files, "\x00"), "\x00") {
		from, to := filepath.Join("..", name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		content := []byte(read(t, from))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	command(t, dir, "git", "init", "--quiet")
	command(t, dir, "git", "add", "--all")
	command(t, dir, "git", "commit", "--quiet", "--message", "release")
	command(t, dir, "deploy/release", version, "linux/"+runtime.GOARCH)
	return filepath.Join(dir, "dist")
}

// checkBinary checks that a binary is static and stripped, and that it knows its version and commit.
func checkBinary(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a dynamic loader")
		}
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("the binary has symbols for a debugger")
	}
	commit := strings.TrimSpace(command(t, filepath.Dir(path), "git", "rev-parse", "HEAD"))
	if out := command(t, ".", path, "version"); !strings.Contains(out, version) || !strings.Contains(out, commit[:12]) {
		t.Errorf("version printed %q; want %s and commit %s", out, version, commit[:12])
	}
}

// checkPackage checks that the Debian package has the binary, a file that tenfold accepts, and units that systemd accepts.
func checkPackage(t *testing.T, deb, binary string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Log("SKIP: dpkg-deb is not installed: the .deb is not opened")
		return
	}
	root := t.TempDir()
	command(t, ".", "dpkg-deb", "--extract", deb, root)
	if read(t, filepath.Join(root, "usr/bin/tenfold")) != read(t, binary) {
		t.Error("the package has another binary than the archive")
	}
	command(t, ".", binary, "check", "-f", filepath.Join(root, "etc/tenfold/tenfold.yaml"))
	for _, field := range []string{"Package: tenfold", "Version: " + version, "Architecture: " + runtime.GOARCH} {
		if info := command(t, ".", "dpkg-deb", "--info", deb); !strings.Contains(info, field+"\n") {
			t.Errorf("the package does not have %q:\n%s", field, info)
		}
	}
	if files := command(t, ".", "dpkg-deb", "--info", deb, "conffiles"); files != "/etc/tenfold/tenfold.yaml\n" {
		t.Errorf("an update may overwrite the user's file: conffiles are %q", files)
	}
	control := t.TempDir()
	command(t, ".", "dpkg-deb", "--control", deb, control)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		command(t, control, "sh", "-n", script)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("SKIP: systemd-analyze is not installed: the units are not checked")
		return
	}
	// The unit names /usr/bin/tenfold, which is not installed here.
	unit := filepath.Join(control, "tenfold.service")
	text := strings.ReplaceAll(read(t, filepath.Join(root, "lib/systemd/system/tenfold.service")), "/usr/bin/tenfold", binary)
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := command(t, ".", "systemd-analyze", "verify", unit); strings.Contains(out, unit) {
		t.Errorf("systemd-analyze: %s", out)
	}
}

// command runs a command in a directory and returns its output. The test ends when the command fails.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@localhost", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@localhost", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v in %s: %v\n%s%s", name, args, dir, err, out, stderr.Bytes())
	}
	return string(out)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
