package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// IsProcfile reports whether a file has the name of a Procfile: Procfile, or Procfile.dev.
func IsProcfile(path string) bool {
	name := filepath.Base(path)
	return name == "Procfile" || strings.HasPrefix(name, "Procfile.")
}

// process is one "name: command".
type process struct {
	name, command string
	line          int
}

// LoadProcfile reads a Procfile and the file .env next to it. The process web gets all requests, and the others are
// workers. The process release runs once before new nodes of web start.
func LoadProcfile(path string) (*File, error) {
	data, err := readLimited(path, strictyaml.MaxFile+1)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("find working directory: %w", err)
	}
	lines, problems := parseProcfile(data)
	c, _ := defaults()
	f := &File{Config: &c, Name: path, Files: []string{path, filepath.Join(dir, defaultEnvFile)}, places: strictyaml.Places{}}
	var release *process
	for i, l := range lines {
		if l.name == "release" {
			release = &lines[i]
			continue
		}
		s := newProcess(l, dir)
		envProblems, err := s.readProcfileEnv(filepath.Join(dir, defaultEnvFile))
		if err != nil {
			envProblems = append(envProblems, strictyaml.ProblemAt("", err))
		}
		if i == 0 || len(problems) == 0 {
			problems = append(problems, envProblems...)
		}
		f.places["services."+s.Name] = strictyaml.Place{Line: l.line, Column: 1}
		c.Services = append(c.Services, s)
	}
	if len(problems) > 0 {
		return nil, problems.In(path)
	}
	web := c.service(webProcess)
	if web == nil {
		p := strictyaml.ProblemAt("", wrong("web: COMMAND, or services and routes in a tenfold.yaml", "no process has the name web, which gets the requests"))
		p.Line, p.Column = 1, 1
		return nil, Problems{p}.In(path)
	}
	if release != nil {
		web.Before = shellCommand(release.command)
	}
	c.Routes = []Route{{Path: "/", To: webProcess, Auth: AuthOff}}
	c.fillDependent(dir)
	c.ownEnv = true
	c.procfile = describeProcfile(path, &c, lines)
	for _, p := range c.validate(func(string) bool { return false }) {
		problems = append(problems, f.Problem(p.Path, wrong(p.Hint, "%s", p.Message)))
	}
	if len(problems) > 0 {
		return nil, problems.In(path)
	}
	return f, nil
}

const webProcess = "web"

// service returns the service with this name, or nil.
func (c *Config) service(name string) *Service {
	for i := range c.Services {
		if c.Services[i].Name == name {
			return &c.Services[i]
		}
	}
	return nil
}

// newProcess returns the service of a line. A worker runs once, as other tools run it: it may be a clock.
func newProcess(l process, dir string) Service {
	_, s := defaults()
	s.Name, s.Run, s.Dir = l.name, shellCommand(l.command), dir
	s.MinNodes, s.MaxNodes = 1, maxNodes
	s.startNodes = 1
	if l.name == webProcess {
		s.startNodes, s.Probe.Status = defaultNodes, anyAnswer
	}
	return s
}

func (s *Service) readProcfileEnv(path string) (Problems, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s.EnvFile = []string{path}
	return s.readEnvFile(path, os.LookupEnv)
}

var procfileForm = regexp.MustCompile(`^([A-Za-z0-9_-]+)[ \t]*:[ \t]*(.*)$`)

// parseProcfile reads the lines of a Procfile. Empty lines and those that begin with # are comments.
func parseProcfile(data []byte) (lines []process, problems Problems) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	number := 0
	problem := func(path string, err error) {
		p := strictyaml.ProblemAt(path, err)
		p.Line, p.Column = number, 1
		problems = append(problems, p)
	}
	switch {
	case len(data) > strictyaml.MaxFile:
		number = 1
		problem("", wrong("", "the file is larger than %s", printSize(strictyaml.MaxFile)))
		return nil, problems
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		number = 1
		problem("", wrong("save it as UTF-8", "the file is not text"))
		return nil, problems
	}
	first := map[string]int{}
	for text := range strings.Lines(string(data)) {
		number++
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		m := procfileForm.FindStringSubmatch(text)
		if m == nil {
			problem("", wrong("NAME: COMMAND, such as web: node server.js", "the line is not a process"))
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(m[1]), "_", "-")
		switch {
		case checkServiceName(name) != nil:
			problem(m[1], checkServiceName(name))
		case m[2] == "":
			problem(m[1], wrong("", "has no command"))
		case first[name] > 0:
			problem(m[1], wrong("remove one of them", "duplicate process, first in line %d", first[name]))
		case len(lines) == maxServices:
			problem(m[1], wrong("", "%d processes are enough for a file", maxServices))
			return lines, problems
		default:
			first[name] = number
			lines = append(lines, process{name, m[2], number})
		}
	}
	if number == 0 || len(lines) == 0 && len(problems) == 0 {
		number = 1
		problem("", wrong("web: COMMAND", "the file has no process"))
	}
	return lines, problems
}

var (
	// compound matches what only the shell itself can run: several commands, a group, a substitution as the command.
	compound  = regexp.MustCompile("[;&|`(){}\n]|\\$\\(")
	parameter = regexp.MustCompile(`\$\{[A-Za-z0-9_]+\}`)
	// ownShell matches a first word that is no program, and a variable in front of the command.
	ownShell = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_]*=|(?:exec|cd|if|for|while|until|case|set|export|unset|source|eval|trap|ulimit|umask|!|\.|:)(?:\s|$))`)
)

// shellCommand returns what runs a line of a Procfile, which is written for a shell. A plain command replaces the shell,
// so that it gets the signals of tenfold itself.
func shellCommand(line string) []string {
	if !compound.MatchString(parameter.ReplaceAllString(line, "")) && !ownShell.MatchString(line) {
		line = "exec " + line
	}
	return []string{"sh", "-c", line}
}

var usesPort = regexp.MustCompile(`\$(?:PORT\b|\{PORT\b)`)

// describeProcfile returns notes about how a Procfile was understood.
func describeProcfile(path string, c *Config, lines []process) []Problem {
	var n notes
	var roles []string
	for i := range c.Services {
		s := &c.Services[i]
		role := "is a worker"
		if s.Name == webProcess {
			role = "gets all requests"
		}
		roles = append(roles, fmt.Sprintf("%s (%s) %s", s.Name, countNodes(s.InitialNodes()), role))
	}
	if c.service(webProcess).Before != nil {
		roles = append(roles, "release runs before new nodes of web start")
	}
	if len(c.Services[0].EnvFile) > 0 {
		roles = append(roles, "the environment is that of "+shortPath(c.Services[0].EnvFile[0]))
	}
	name := shortPath(path)
	n.add(name, "tenfold check --effective > tenfold.yaml makes a file with all settings of it", "%s", strings.Join(roles, "; "))
	for _, l := range lines {
		if l.name != webProcess && l.name != "release" && usesPort.MatchString(l.command) {
			n.add(name, "make a tenfold.yaml, as above, and add a route: {path: /"+l.name+", to: "+l.name+"}",
				"%s uses $PORT, but as a worker it gets no requests and no PORT", l.name)
		}
	}
	return n
}

func countNodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
