package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Limits on counts. They are above any real file.
const (
	maxServices  = 1000
	maxNodes     = 1000   // of one service with run, on one machine
	maxAddresses = 10_000 // of one service
	maxWeight    = 1000
)

// services is the mapping of names to services, in the order of the file.
type services struct{ p *[]Service }

func (s services) read(r *reader, n strictyaml.Value) {
	all := r.Mapping(n, "a mapping of names to services")
	if len(all) > maxServices {
		r.Problem(n, wrong("", "%d services are too many: at most %d", len(all), maxServices))
		return
	}
	_, example := defaults()
	known := example.fields()
	for i := 0; i < len(all); i++ {
		k := all[i]
		if r.isTopField(k) {
			continue
		}
		if children := strictyaml.Unindented(all, i, func(e strictyaml.Entry) bool {
			return fieldOf(known, e.Key) == nil && meant(e.Key, known) == ""
		}); children != nil {
			k.Value = r.unindented(k, children)
			i += len(children)
		}
		if err := checkServiceName(k.Key); err != nil {
			r.ProblemAt(k.Value.Path, k.At, err)
		}
		_, service := defaults()
		service.Name = k.Key
		r.readFields(k.Value, service.fields())
		if !k.Duplicate {
			*s.p = append(*s.p, service)
		}
	}
}

// isTopField reports whether an entry of services is a field of the top of the file that is indented too far: it has the
// name of one, and a value that no service has. It reports the problem.
func (r *reader) isTopField(k strictyaml.Entry) bool {
	var c Config
	if fieldOf(c.fields(), k.Key) == nil || k.Value.IsMapping() || k.Value.IsNull() {
		return false
	}
	r.ProblemAt(k.Value.Path, k.At, wrong("indent it like services", "%s belongs to the top of the file", k.Key))
	return true
}

func (s services) show() any {
	all := []shown{}
	for i := range *s.p {
		service := &(*s.p)[i]
		all = append(all, shown{service.Name, showFields(service.fields())})
	}
	return all
}

// serviceName is a DNS label that starts with a letter: it is part of node ids, metrics and, on Kubernetes, object names.
var serviceName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func checkServiceName(name string) error {
	if !serviceName.MatchString(name) {
		return wrong("lower-case letters, digits and -, a letter first, at most 63", "is not a name for a service")
	}
	return nil
}

// command is a program and its arguments: a list, or a text that is split at its spaces.
type command struct{ p *[]string }

// shellCharacters mean something to a shell. No shell reads run, so a text with one of them would not work as expected.
const shellCharacters = "\"'\\$`|&;<>*?(){}~"

func (c command) read(r *reader, n strictyaml.Value) {
	var argv []string
	if !n.IsList() {
		text, ok := r.Text(n, "a command, or a list of it and its arguments")
		if !ok {
			return
		}
		if i := strings.IndexAny(text, shellCharacters); i >= 0 {
			r.Problem(n, wrong(`write a list, one item per argument: [shop, "--name=a b"]; with a shell: [sh, -c, "..."]`,
				"has the character %q, and no shell reads this text", text[i:i+1]))
			return
		}
		argv = strings.Fields(text)
	} else {
		for _, item := range r.List(n) {
			if arg, ok := r.Text(item, "one argument"); ok {
				argv = append(argv, arg)
			}
		}
	}
	switch {
	case len(argv) == 0 || argv[0] == "":
		r.Problem(n, wrong("a command and its arguments: [shop, serve]", "has no command"))
	case len(argv) > maxEntries:
		r.Problem(n, wrong("", "%d arguments are too many: at most %d", len(argv), maxEntries))
	default:
		*c.p = argv
	}
}

func (c command) show() any {
	if len(*c.p) == 0 {
		return nil
	}
	return *c.p
}

// directory is a path relative to the file; it must exist.
type directory struct{ p *string }

func (d directory) read(r *reader, n strictyaml.Value) {
	path, ok := r.path(n)
	if !ok {
		return
	}
	if !isDirectory(path) {
		r.Problem(n, wrong("", "there is no directory %s", quote(path)))
		return
	}
	*d.p = path
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (d directory) show() any {
	if *d.p == "" {
		return nil
	}
	return *d.p
}

// path reads a path and makes it absolute. A relative path starts at the directory of the file.
func (r *reader) path(n strictyaml.Value) (string, bool) {
	path, ok := r.Text(n, "a path")
	if ok && path == "" {
		r.Problem(n, wrong("", "names no file"))
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	return filepath.Clean(path), ok
}

// nodes is the number of nodes (3 or 2..10), or the list of their addresses.
type nodes struct{ s *Service }

func (v nodes) read(r *reader, n strictyaml.Value) {
	if n.IsList() {
		v.readAddresses(r, n)
		return
	}
	text, ok := r.Text(n, "a number, a range or a list of addresses")
	if !ok {
		return
	}
	if !nodesForm.MatchString(text) {
		hint := "a number such as 3, a range such as 2..10, or a list of addresses"
		if _, err := parseNodeAddress(text); err == nil {
			hint = "write a list: [" + text + "]"
		}
		r.refused(n, text, notNodes(text, hint))
		return
	}
	least, most, err := parseNodes(text)
	if err != nil {
		r.refused(n, text, err)
		return
	}
	v.s.MinNodes, v.s.MaxNodes = least, most
}

func (v nodes) readAddresses(r *reader, n strictyaml.Value) {
	items := r.List(n)
	switch {
	case len(items) == 0:
		r.Problem(n, wrong("at least one host:port, or a number of nodes", "the list is empty"))
	case len(items) > maxAddresses:
		r.Problem(n, wrong("", "%d addresses are too many: at most %d", len(items), maxAddresses))
		return
	}
	seen := map[string]int{}
	for i, item := range items {
		a := nodeAddress{weight: 1}
		if item.IsMapping() {
			r.readFields(item, a.fields())
			if a.address == "" && !r.Broken(item.Path) {
				r.Problem(item, wrong("{address: 10.0.0.1:8080, weight: 3}", "has no address"))
			}
		} else {
			a.fields()[0].value.read(r, item)
		}
		if first, twice := seen[a.address]; twice && a.address != "" {
			r.Problem(item, wrong("", "%s is the same address as %s[%d]", quote(a.address), n.Path, first))
		} else {
			seen[a.address] = i
		}
		v.s.Addresses = append(v.s.Addresses, a.address)
		v.s.Weights = append(v.s.Weights, a.weight)
		v.s.Backups = append(v.s.Backups, a.backup)
	}
	if !slices.ContainsFunc(v.s.Weights, func(weight int) bool { return weight != 1 }) {
		v.s.Weights = nil
	}
	if !slices.Contains(v.s.Backups, true) {
		v.s.Backups = nil
	} else if !slices.Contains(v.s.Backups, false) {
		r.Problem(n, wrong("remove backup from some of them", "all nodes are backups"))
	}
}

// nodeAddress is one address of nodes: a text, or a mapping.
type nodeAddress struct {
	address string
	weight  int
	backup  bool
}

func (a *nodeAddress) fields() []field {
	return []field{
		{"address", scalar[string]{&a.address, parseNodeAddress, word}},
		{"weight", whole(&a.weight, 1, maxWeight)},
		{"backup", toggle(&a.backup)},
	}
}

func (v nodes) show() any {
	switch s := v.s; {
	case len(s.Weights) > 0 || len(s.Backups) > 0:
		all := make([][]shown, len(s.Addresses))
		for i, address := range s.Addresses {
			all[i] = []shown{{"address", address}}
			if s.Weights != nil {
				all[i] = append(all[i], shown{"weight", strconv.Itoa(s.Weights[i])})
			}
			if s.Backups != nil {
				all[i] = append(all[i], shown{"backup", strconv.FormatBool(s.Backups[i])})
			}
		}
		return all
	case s.Kind() == Listed:
		return s.Addresses
	case s.MinNodes == s.MaxNodes || !s.Bounded():
		return strconv.Itoa(s.InitialNodes())
	default:
		return fmt.Sprintf("%d..%d", s.MinNodes, s.MaxNodes)
	}
}

// nodesForm is the form of a number and of a range.
var nodesForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.\.-?(0|[1-9][0-9]*))?$`)

func notNodes(text, hint string) error {
	return wrong(hint, "%s is not a number of nodes", quote(text))
}

// parseNodes reads "3" and "2..10".
func parseNodes(s string) (least, most int, err error) {
	from, to, isRange := strings.Cut(s, "..")
	if !isRange {
		to = from
	}
	if !nodesForm.MatchString(s) {
		return 0, 0, notNodes(s, "a number such as 3, or a range such as 2..10")
	}
	if least, err = parseWhole(from, 1, maxNodes); err != nil {
		return 0, 0, err
	}
	if most, err = parseWhole(to, 1, maxNodes); err != nil {
		return 0, 0, err
	}
	if least > most {
		return 0, 0, wrong(fmt.Sprintf("write %d..%d", most, least), "%s starts above its end", quote(s))
	}
	return least, most, nil
}

// Kind says who starts and stops the nodes of a service.
type Kind uint8

const (
	Undefined Kind = iota // neither a command nor addresses: no file with such a service is valid
	Owned                 // tenfold starts and stops the nodes: run
	Listed                // the nodes run elsewhere, at fixed addresses: nodes: [host:port, ...]
	Remote                // another system starts and stops the nodes; no key of the file makes such a service yet
)

// Kind returns the kind of the service.
func (s *Service) Kind() Kind {
	switch {
	case len(s.Run) > 0:
		return Owned
	case len(s.Addresses) > 0:
		return Listed
	}
	return Undefined
}

// InitialNodes returns how many nodes run at first.
func (s *Service) InitialNodes() int { return cmp.Or(s.startNodes, s.MinNodes) }

// Bounded reports whether the file or the command line sets bounds for the number of nodes.
func (s *Service) Bounded() bool { return s.startNodes == 0 }
