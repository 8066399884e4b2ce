package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Command returns the Config of a service that is given on the command line instead of in a file: one service that runs
// argv, with one route "/". nodes is "N" or "MIN..MAX"; "" means 2.
//
// The name of the service is that of its script, or else of its command: "app" for python3 app.py, "shop" for ./shop serve.
//
// Many services have no page at "/", or require a login first. So the probe requests "/" and accepts every status below 500.
func Command(argv []string, nodes string) (*Config, error) {
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
	s.Name = commandName(argv)
	s.Run = argv
	s.Probe.Status = []StatusRange{{100, 499}}
	if nodes != "" {
		if s.MinNodes, s.MaxNodes, err = parseNodes(nodes); err != nil {
			return nil, fmt.Errorf("--nodes: %w", err)
		}
	}
	c.Services = []Service{s}
	c.fillDependent(dir)
	return &c, nil
}

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
