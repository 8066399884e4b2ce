package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

// RunLimited is the main function of the program of [Options.Limiter]. args are the limits, the path of a program and the
// arguments of that program, its name included. RunLimited applies the limits to this process, which then becomes the
// program: RunLimited returns only an error. A limit on files or CPU that the kernel refuses is not applied; a user that
// it refuses is an error. Without a program, RunLimited writes what the kernel refuses to out, one line each, and
// returns.
func RunLimited(args []string, out io.Writer) error {
	if len(args) == 0 || len(args) == 2 {
		return errors.New("only tenfold itself calls this verb")
	}
	var l limits
	if err := json.Unmarshal([]byte(args[0]), &l); err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	runtime.LockOSThread() // the nice value and the death signal are those of a thread, and exec keeps this one
	refused := l.apply()
	if err := l.Account.become(); err != nil {
		return err
	}
	if len(args) == 1 {
		for _, r := range refused {
			fmt.Fprintln(out, r)
		}
		return nil
	}
	if err := endWithParent(); err != nil {
		return err
	}
	err := syscall.Exec(args[1], args[2:], os.Environ())
	if l.Account.Groups != nil {
		return fmt.Errorf("run %s as user %d: %w", args[1], l.Account.UID, err)
	}
	return fmt.Errorf("run %s: %w", args[1], err)
}

// apply applies the limits but the account, and describes what the kernel refuses.
func (l *limits) apply() (refused []string) {
	if l.Cgroup != "" {
		if err := enterCgroup(l.Cgroup); err != nil {
			refused = append(refused, fmt.Sprintf("enter control group: %v", err))
			fmt.Fprintln(os.Stderr, "tenfold:", refused[0])
		}
	}
	if l.OpenFiles > 0 {
		if err := limitFiles(uint64(l.OpenFiles)); err != nil {
			refused = append(refused, fmt.Sprintf("open_files %d: %v", l.OpenFiles, err))
		}
	}
	if l.Nice != nil {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, *l.Nice); err != nil {
			refused = append(refused, fmt.Sprintf("cpu_weight (nice %d): %v; a share above that of tenfold needs root", *l.Nice, err))
		}
	}
	return refused
}

// limitFiles sets how many files this process may have open. When the limit is too high for this machine, it sets the
// highest possible one and returns an error.
func limitFiles(files uint64) error {
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, rlimit(files))
	if err == nil {
		return nil
	}
	var now syscall.Rlimit
	if getErr := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); getErr != nil {
		return err
	}
	highest := uint64(now.Max)
	if setErr := syscall.Setrlimit(syscall.RLIMIT_NOFILE, rlimit(highest)); setErr != nil {
		return err
	}
	return fmt.Errorf("%w; the nodes have %d, the highest number here", err, highest)
}

// become changes the user of this process.
func (a account) become() error {
	if a.Groups == nil || a.UID == os.Geteuid() && a.UID != 0 {
		return nil // no account, or the own one, which only root can leave
	}
	err := syscall.Setgroups(a.Groups)
	if err == nil {
		err = syscall.Setgid(a.GID)
	}
	if err == nil {
		err = syscall.Setuid(a.UID)
	}
	if err != nil {
		return fmt.Errorf("become user %d: %w", a.UID, err)
	}
	return nil
}
