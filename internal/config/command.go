package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// CommandOptions are what the command line says about its service. Empty fields mean their defaults.
type CommandOptions struct {
	Name    string // default: that of the script, or else of the command: "app" for python3 app.py, "shop" for ./shop serve
	Nodes   string // "N", with which it starts, or the bounds "MIN..MAX"; default 2
	Sticky  string // as in the file
	EnvFile string // as in the file; "off" for none; default: .env of the working directory, if that exists
}

// Command returns the Config of a service that is given on the command line instead of in a file: one service that runs
// argv, with one route "/". Problems of a file of variables are of type Problems.
//
// Many services have no page at "/", or require a login first. So the probe requests "/" and accepts every status below 500.
func Command(argv []string, o *CommandOptions) (*Config, error) {
	if o == nil {
		o = &CommandOptions{}
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, wrong("tenfold up -- COMMAND [ARGUMENT ...]", "there is no command to run")
	}
	for _, arg := range argv {
		if strings.ContainsRune(arg, 0) {
			return nil, wrong("", "the command %s has a NUL character in an argument", quote(argv[0]))
		}
	}
	dir, err := filepath.Abs(".")
	if err != nil {
		return nil, fmt.Errorf("find working directory: %w", err)
	}
	c, s := defaults()
	s.Name, s.Run = cmp.Or(o.Name, commandName(argv)), argv
	s.Probe.Status = anyAnswer
	if err := checkServiceName(s.Name); err != nil {
		return nil, fmt.Errorf("--name: %s %w", quote(s.Name), err)
	}
	if s.Sticky, err = parseSticky(cmp.Or(o.Sticky, "off")); err != nil {
		return nil, fmt.Errorf("--sticky: %w", err)
	}
	if err := s.start(cmp.Or(o.Nodes, "2")); err != nil {
		return nil, fmt.Errorf("--nodes: %w", err)
	}
	if err := s.readCommandEnv(dir, o.EnvFile); err != nil {
		return nil, err
	}
	c.Services, c.ownEnv = []Service{s}, true
	c.fillDependent(dir)
	return &c, nil
}

// anyAnswer is what the probe accepts of a service that is not described further.
var anyAnswer = []StatusRange{{100, 499}}

// start takes the number of nodes to start with, which is no bound, or bounds.
func (s *Service) start(nodes string) (err error) {
	if s.MinNodes, s.MaxNodes, err = parseNodes(nodes); err != nil {
		return err
	}
	if !strings.Contains(nodes, "..") {
		s.startNodes, s.MinNodes, s.MaxNodes = s.MinNodes, 1, maxNodes
	}
	return nil
}

// readCommandEnv reads the file of variables that the command line names, or .env.
func (s *Service) readCommandEnv(dir, file string) error {
	if file == "off" {
		return nil
	}
	path := filepath.Join(dir, cmp.Or(file, defaultEnvFile))
	if filepath.IsAbs(file) {
		path = file
	}
	if _, err := os.Stat(path); file == "" && err != nil {
		return nil
	}
	s.EnvFile = []string{path}
	problems, err := s.readEnvFile(path, os.LookupEnv)
	if err != nil {
		problems = append(problems, strictyaml.ProblemAt("--env-file", err))
	}
	if len(problems) > 0 {
		return problems.In(shortPath(path))
	}
	return nil
}

// defaultEnvFile is the file of variables next to a Procfile, and of the command line.
const defaultEnvFile = ".env"

var script = regexp.MustCompile(`^[^ ]+\.(py|js|mjs|cjs|ts|rb|php|pl|jar|sh|exs|lua|R|jl)$`)

// commandName derives a service name from the first argument that is not a flag, if it is a script, or else from the command.
func commandName(argv []string) string {
	name := filepath.Base(argv[0])
	for _, arg := range argv[1:] {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		if script.MatchString(arg) {
			name = filepath.Base(arg)
		}
		break
	}
	name = strings.TrimSuffix(name, filepath.Ext(name))
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	name = strings.TrimLeft(name, "-0123456789")
	name = strings.TrimRight(name[:min(len(name), 63)], "-")
	if name == "" {
		return "app"
	}
	return name
}
