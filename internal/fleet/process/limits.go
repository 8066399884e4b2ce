package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/user"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// limits are the limits of one node, as the program of [Options.Limiter] applies them before it becomes the node.
type limits struct {
	Cgroup    string  `json:"cgroup,omitempty"` // the directory of its control group; "" for that of its parent
	OpenFiles int     `json:"open_files,omitempty"`
	Nice      *int    `json:"nice,omitempty"` // nil for that of tenfold
	Account   account `json:"account,omitzero"`
}

// account is the user that runs a node.
type account struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"`

	name, home string
}

// CheckUser returns an error when this process cannot start nodes as a user. The name "" is no user.
func CheckUser(name string) error {
	_, err := accountOf(name)
	return err
}

// UserError says that nodes cannot run as a user.
type UserError struct {
	User string
	Err  error
}

func (e *UserError) Error() string { return fmt.Sprintf("run as user %q: %v", e.User, e.Err) }
func (e *UserError) Unwrap() error { return e.Err }

var errNotRoot = errors.New("tenfold itself does not run as root, so it cannot change the user")

// Hint says what to do.
func (e *UserError) Hint() string {
	if errors.Is(e.Err, errNotRoot) {
		return "start tenfold as root, or start it as that user and remove user"
	}
	return "getent passwd lists the users of this machine"
}

// accountOf looks up a user by name or number. It returns the zero account for "".
func accountOf(name string) (a account, err error) {
	if name == "" {
		return a, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if byID, idErr := user.LookupId(name); idErr == nil {
			u, err = byID, nil
		}
	}
	if err != nil {
		return a, &UserError{name, errors.New("this machine has no such user")}
	}
	a.name, a.home = u.Username, u.HomeDir
	a.UID, err = strconv.Atoi(u.Uid)
	if err == nil {
		a.GID, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return a, &UserError{name, err}
	}
	if a.UID != os.Geteuid() && os.Geteuid() != 0 {
		return a, &UserError{name, errNotRoot}
	}
	ids, err := u.GroupIds()
	if err != nil {
		return a, &UserError{name, fmt.Errorf("list its groups: %w", err)}
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			a.Groups = append(a.Groups, n)
		}
	}
	return a, nil
}

// env returns the variables that describe a user to a program.
func (a account) env() []string {
	if a.name == "" {
		return nil
	}
	return []string{"HOME=" + a.home, "USER=" + a.name, "LOGNAME=" + a.name}
}

// niceOf returns the nice value whose share of the CPU is nearest to a weight: each step is a factor of 1.25.
func niceOf(weight int) int {
	nice := -math.Round(math.Log(float64(weight)/100) / math.Log(1.25))
	return int(min(max(nice, -20), 19))
}

// limit makes the program of a child run under the limits of its spec. It logs once what cannot be applied.
func (d *Driver) limit(id string, c *child, l fleet.Limits, user account) error {
	set := limits{OpenFiles: l.OpenFiles, Account: user}
	if l.Memory > 0 || l.CPUWeight > 0 {
		set.Cgroup = d.addCgroup(id, l)
	}
	if l.CPUWeight > 0 && (set.Cgroup == "" || !d.cgroups.cpu) {
		nice := niceOf(l.CPUWeight)
		set.Nice = &nice
	}
	if set.OpenFiles == 0 && set.Nice == nil && set.Cgroup == "" && l.User == "" {
		return nil
	}
	if len(d.opts.Limiter) == 0 {
		return fmt.Errorf("this driver cannot limit its nodes: %w", fleet.ErrNotRunnable)
	}
	if err := d.tryLimits(set); err != nil {
		return err
	}
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	args := append([]string{}, d.opts.Limiter...)
	args = append(args, string(text), c.Path)
	c.Path, c.Args = d.opts.Limiter[0], append(args, c.Args...)
	return nil
}

// addCgroup makes the control group of a node, and returns its directory. It returns "" where tenfold has no control
// groups: then the memory of the process group is watched, and the nice value is set.
func (d *Driver) addCgroup(id string, l fleet.Limits) string {
	d.limitsMu.Lock()
	defer d.limitsMu.Unlock()
	if !d.cgroupsTried {
		d.cgroupsTried = true
		var err error
		if d.cgroups, err = openCgroups(d.tag); err != nil && !errors.Is(err, errNotDelegated) {
			d.log.Error("a limit of the nodes cannot be applied on this machine", "err", fmt.Errorf("use control groups: %w", err))
		}
	}
	if d.cgroups == nil {
		return ""
	}
	dir, err := d.cgroups.add(id, l.Memory, l.CPUWeight)
	if err != nil {
		d.log.Error("a limit of the nodes cannot be applied on this machine", "node", id, "err", err)
		return ""
	}
	return dir
}

// removeCgroup removes the control group of a node that has ended, if it has one.
func (d *Driver) removeCgroup(id string) {
	d.limitsMu.Lock()
	defer d.limitsMu.Unlock()
	if d.cgroups != nil {
		d.cgroups.remove(id)
	}
}

// cgroupMemory returns what the control group of a node uses. It returns false when the node has none.
func (d *Driver) cgroupMemory(id string) (bytesUsed int64, ok bool) {
	d.limitsMu.Lock()
	defer d.limitsMu.Unlock()
	if d.cgroups == nil {
		return 0, false
	}
	return d.cgroups.used(id)
}

// tryLimits applies limits to a process that ends at once, the first time that they are used. It logs those that this
// machine refuses.
func (d *Driver) tryLimits(set limits) error {
	set.Cgroup = "" // another one for each node
	b, err := json.Marshal(set)
	if err != nil {
		return err
	}
	text := string(b)
	d.limitsMu.Lock()
	defer d.limitsMu.Unlock()
	if d.tried[text] {
		return nil
	}
	cmd := exec.Command(d.opts.Limiter[0], append(d.opts.Limiter[1:len(d.opts.Limiter):len(d.opts.Limiter)], text)...)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("try the limits of a node: %w", err)
	}
	d.tried[text] = true
	for line := range bytes.Lines(out) {
		d.log.Error("a limit of the nodes cannot be applied on this machine", "err", string(bytes.TrimSpace(line)))
	}
	return nil
}
