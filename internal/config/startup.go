package config

import (
	"slices"
	"strings"
	"time"
)

// Restart says which nodes of a worker are replaced when they end by themselves.
type Restart string

// The restart policies.
const (
	RestartAlways    Restart = "always"
	RestartOnFailure Restart = "on-failure" // those that end with another status than 0, or by a signal
	RestartNever     Restart = "never"
)

// startupFields are the keys that say when and how the nodes of a service start.
func (s *Service) startupFields() []field {
	return []field{
		{"before", command{&s.Before}},
		{"after", list[string]{p: &s.After, parse: parseServiceName, print: word, most: maxServices, omit: true}},
		{"restart", choice(&s.Restart, "always, on-failure or never", "a restart policy", RestartAlways, RestartOnFailure, RestartNever)},
		{"start_timeout", duration(&s.StartTimeout, 100*time.Millisecond)},
	}
}

func parseServiceName(s string) (string, error) {
	if !serviceName.MatchString(s) {
		return "", wrong("the name of another service", "%s is not a name for a service", quote(s))
	}
	return s, nil
}

// startup checks the keys that say when and how the nodes of a service start.
func (v *validation) startup(c *Config, s *Service) {
	path := "services." + s.Name
	if s.Kind() == Listed {
		if len(s.Before) > 0 {
			v.problem(path+".before", "remove it", "is for run only")
		}
		if len(s.After) > 0 {
			v.problem(path+".after", "remove it", "is for run only: tenfold does not start the nodes of this service")
		}
	}
	switch {
	case s.Restart == RestartAlways:
	case s.Kind() == Listed:
		v.problem(path+".restart", "remove it", "is for run only")
	case s.Kind() == Owned && !s.Worker:
		v.problem(path+".restart", "always, or remove the routes to it",
			"%s is for workers, but a route leads to this service", quote(string(s.Restart)))
	}
	v.after(c, s)
}

// after checks the start order: every name exists, and no service waits for itself.
func (v *validation) after(c *Config, s *Service) {
	path := "services." + s.Name + ".after"
	var names []string
	for i := range c.Services {
		if name := c.Services[i].Name; name != s.Name {
			names = append(names, name)
		}
	}
	for _, other := range s.After {
		switch {
		case other == s.Name:
			v.problem(path, "remove it", "the service cannot start after itself")
			return
		case !slices.Contains(names, other):
			hint := "the other services are " + strings.Join(names[:min(len(names), 10)], ", ")
			if len(names) == 0 {
				hint = "there is no other service"
			} else if near := closest(other, names); near != "" {
				hint = "did you mean " + near + "?"
			}
			v.problem(path, hint, "there is no service %s", quote(other))
			return
		}
	}
	if circle := c.circle(s.Name); circle != nil && slices.Min(circle) == s.Name {
		v.problem(path, "remove one of them", "the services wait for each other: %s", strings.Join(append(circle, s.Name), " after "))
	}
}

// circle returns the services from start through their start order back to start, or nil.
func (c *Config) circle(start string) []string {
	seen := map[string]bool{}
	var search func(name string) []string
	search = func(name string) []string {
		i := slices.IndexFunc(c.Services, func(s Service) bool { return s.Name == name })
		if i < 0 || seen[name] {
			return nil
		}
		seen[name] = true
		for _, other := range c.Services[i].After {
			if other == start {
				return []string{name}
			}
			if rest := search(other); rest != nil {
				return append([]string{name}, rest...)
			}
		}
		return nil
	}
	return search(start)
}
