package runfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// home returns the directory for new files: tenfold/ in XDG_RUNTIME_DIR when this user owns that directory, else one in
// the directory for temporary files.
func home() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && checkOwner(dir) == nil {
		return filepath.Join(dir, "tenfold")
	}
	return temporary(os.TempDir())
}

func temporary(dir string) string { return filepath.Join(dir, "tenfold-"+strconv.Itoa(os.Getuid())) }

// homes lists the directories that may have files of this user: a session without the variables of another one, as
// under cron, must find the same tenfolds.
func homes() []string {
	all := []string{
		home(), filepath.Join("/run/user", strconv.Itoa(os.Getuid()), "tenfold"), temporary(os.TempDir()), temporary("/tmp"),
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// makeHome makes the directory for new files, which only this user can read.
func makeHome(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkPrivate(dir)
}

// checkPrivate fails unless dir is a directory that this user owns and that no other user can use. Another user could
// have made a directory or a link with this name in /tmp.
func checkPrivate(dir string) error {
	if err := checkOwner(dir); err != nil {
		return err
	}
	if info, err := os.Lstat(dir); err != nil {
		return err
	} else if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be used by other users (mode %04o)", dir, info.Mode().Perm())
	}
	return nil
}

func checkOwner(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ok || int(stat.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user", dir)
	}
	return nil
}
