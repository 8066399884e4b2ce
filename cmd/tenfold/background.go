package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	logfile "github.com/tenfold-go/tenfold/internal/output"
	"github.com/tenfold-go/tenfold/internal/runfile"
	"github.com/tenfold-go/tenfold/internal/server"
)

// readyVariable has the number of the descriptor to which a tenfold in the background writes that it is ready.
const readyVariable = "TENFOLD_READY_FD"

// backgroundStart is what a process in the background writes when it is ready.
type backgroundStart struct {
	Listen []string `json:"listen"`
	Admin  string   `json:"admin"`
}

func (b *backgroundStart) adminText() string {
	if b.Admin == "" {
		return ""
	}
	return ", admin on http://" + b.Admin
}

// backgroundLimit is the size of the log file of a tenfold in the background, and of the older one next to it.
const backgroundLimit = 16 << 20

// stateDir returns the directory for the log files of tenfolds in the background.
func stateDir() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "tenfold"), nil
}

// backgroundLog returns the name of the log file of a project that runs in the background, and makes its directory. The name
// tells the directory of the project, then the file or the command line.
func backgroundLog(r *runfile.Record) (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	name := filepath.Base(r.Name) + "-" + shortSum(r.Directory) + shortSum(r.File) + ".log"
	return filepath.Join(dir, name), os.MkdirAll(dir, 0o700)
}

func shortSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// newestBackgroundLog returns the log file of a directory or a file of a project that was written last, or "".
func newestBackgroundLog(project string) (newest string, err error) {
	dir, err := stateDir()
	if err != nil {
		return "", nil // so there is no log file
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the directory of log files: %w", err)
	}
	var last time.Time
	for _, e := range entries {
		name, isLog := strings.CutSuffix(e.Name(), ".log")
		sums := name[strings.LastIndexByte(name, '-')+1:]
		if !isLog || !strings.HasPrefix(sums, shortSum(project)) && !strings.HasSuffix(sums, shortSum(project)) {
			continue
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			newest, last = filepath.Join(dir, e.Name()), info.ModTime()
		}
	}
	return newest, nil
}

// intoBackground makes this process, which has no terminal, write into its log file and no larger one. What the runtime
// writes, such as a panic, goes into it, too.
func (t *terminal) intoBackground(log string) error {
	f, err := logfile.OpenCapped(log, backgroundLimit, func(f *os.File) error {
		return errors.Join(unix.Dup2(int(f.Fd()), 1), unix.Dup2(int(f.Fd()), 2))
	})
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	t.stdout, t.stderr = f, f
	return nil
}

// takeReadyPipe returns the pipe of readyVariable, or nil. The nodes inherit neither.
func takeReadyPipe() *os.File {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	os.Unsetenv(readyVariable)
	if err != nil || fd < 3 || !isPipe(fd) {
		return nil
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "ready")
}

// isPipe reports whether a descriptor is a pipe: another one may be of the Go runtime, and must not be closed.
func isPipe(fd int) bool {
	var stat syscall.Stat_t
	return syscall.Fstat(fd, &stat) == nil && stat.Mode&syscall.S_IFMT == syscall.S_IFIFO
}

// tellReady writes the addresses of s to the process that waits for them, if there is one.
func tellReady(pipe *os.File, s *server.Server) {
	if pipe == nil {
		return
	}
	defer pipe.Close()
	start := backgroundStart{Listen: s.URLs()}
	if a := s.AdminAddr(); a != nil {
		start.Admin = a.String()
	}
	json.NewEncoder(pipe).Encode(start)
}
