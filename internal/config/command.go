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
// The service is called after its script, or else after its command: "app" for python3 app.py, "shop" for ./shop serve.
//
// Nothing is known about such a service, and many have no page at "/" or want a login first. So its probe asks for "/" and
// takes every answer below 500: the node answers, and it does not call itself broken.
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
	c.settle(dir)
	return &c, nil
}

var script = regexp.MustCompile(`^[^ ]+\.(py|js|mjs|cjs|ts|rb|php|pl|jar|sh|exs|lua|R|jl)$`)

// commandName makes a service name from the first argument that is no flag, if that is a script, or from the command.
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
