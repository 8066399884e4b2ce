package config

import (
	"regexp"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Resources limits each node of a service with Run. A value of 0, in the file "off", is no limit.
type Resources struct {
	// Memory is what the processes of one node may use together. A node above it is replaced: its replacement is ready
	// first. Default 0.
	Memory int64
	// CPUWeight is the share of the CPU compared with other processes, from 1 to 10000; a process without a weight has
	// 100. Default 0: the weight of tenfold itself.
	CPUWeight int
	OpenFiles int // largest number of open files of each process (RLIMIT_NOFILE, soft and hard); default 0: that of tenfold
}

func (r *Resources) fields() []field {
	return []field{
		{"memory", orOff(&r.Memory, func(s string) (int64, error) { return parseSize(s, 1<<20, 1<<50) }, printSize)},
		{"cpu_weight", orOff(&r.CPUWeight, func(s string) (int, error) { return parseWhole(s, 1, 10_000) }, strconv.Itoa)},
		{"open_files", orOff(&r.OpenFiles, func(s string) (int, error) { return parseWhole(s, 16, 1<<30) }, strconv.Itoa)},
	}
}

// orOff is a value that "off" sets to zero.
func orOff[T comparable](p *T, parse func(string) (T, error), print func(T) string) value {
	var off T
	return scalar[T]{p, func(s string) (T, error) {
		if s == "off" {
			return off, nil
		}
		return parse(s)
	}, func(v T) string {
		if v == off {
			return "off"
		}
		return print(v)
	}}
}

// replaceAfter reads services.NAME.replace_after.
func replaceAfter(p *time.Duration) value {
	return orOff(p, func(s string) (time.Duration, error) { return parseDuration(s, 100*time.Millisecond) }, printDuration)
}

// liveness is the probe whose failures say that a node hangs. It has the fields of a probe but rise and fall.
type liveness struct{ p **Probe }

func newLiveness() *Probe {
	_, s := defaults()
	return &s.Probe
}

func livenessFields(p *Probe) []field {
	var all []field
	for _, f := range p.fields() {
		if f.key != "rise" && f.key != "fall" {
			all = append(all, f)
		}
	}
	return all
}

func (l liveness) read(r *reader, n strictyaml.Value) {
	p := newLiveness()
	block{fields: livenessFields(p), off: &p.Off, short: p.short}.read(r, n)
	if p.Off {
		p = &Probe{Off: true}
	}
	*l.p = p
}

func (l liveness) show() any {
	switch p := *l.p; {
	case p == nil:
		return nil
	case p.Off:
		return "off"
	default:
		return showFields(livenessFields(p))
	}
}

var userName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]{0,63}\$?|[0-9]{1,10})$`)

func checkUser(s string) error {
	if !userName.MatchString(s) {
		return wrong("the name or the number of a user: www-data, 33", "%s is not the name of a user", quote(s))
	}
	return nil
}

// nodeLimits checks the keys about hung nodes and about limits of nodes.
func (v *validation) nodeLimits(s *Service) {
	path := "services." + s.Name
	if s.Kind() == Listed {
		if s.Resources != (Resources{}) {
			v.problem(path+".resources", "remove it", "is for run only")
		}
		if s.User != "" {
			v.problem(path+".user", "remove it", "is for run only")
		}
	}
	l := s.Liveness
	if l == nil || l.Off {
		return
	}
	if l.Method == "HEAD" && l.Body != "" {
		v.problem(path+".liveness.body", "method: GET", "never passes: the response to HEAD has no body")
	}
	if len(l.Status) == 0 {
		v.problem(path+".liveness.status", "2xx", "the list is empty: no response would count as success")
	}
}

// nodeLimits adds notes about hung nodes.
func (n *notes) nodeLimits(s *Service) {
	path := "services." + s.Name
	if s.Worker {
		if s.Liveness != nil {
			n.add(path+".liveness", "", "has no effect: no route leads to this service, so its nodes are not probed")
		}
		return
	}
	if s.ReplaceAfter == 0 {
		if s.Liveness != nil && !s.Liveness.Off {
			n.add(path+".liveness", "replace_after: 1m", "has no effect: replace_after is off")
		}
		return
	}
	interval := s.Probe.Interval
	if s.Liveness != nil {
		interval = s.Liveness.Interval
	}
	if s.ReplaceAfter < 2*interval {
		n.add(path+".replace_after", "at least three times the interval of the probe",
			"%s is less than two probes (one every %s): a hung node is found by its third failed probe", printDuration(s.ReplaceAfter), printDuration(interval))
	}
}
