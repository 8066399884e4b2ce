package config

import (
	"slices"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Overrides are what a command line may set in place of the file. Empty fields leave the file's value.
type Overrides struct {
	Listen []string
	Admin  string // its address; the token is the file's
	Store  string
}

// Override puts o into c and checks it as the file's own values are checked. An error is of type Problems.
func (c *Config) Override(o Overrides) error {
	var problems Problems
	note := func(flag string, err error) {
		if err != nil {
			problems = append(problems, strictyaml.ProblemAt(flag, err))
		}
	}
	for _, a := range o.Listen {
		_, err := parseListen(a)
		note("--listen", err)
	}
	if len(o.Listen) > 0 {
		c.Listen = slices.Clone(o.Listen)
	}
	if o.Admin != "" {
		_, err := parseAdminListen(o.Admin)
		note("--admin", err)
		c.Admin.Listen = o.Admin
	}
	if o.Store != "" {
		note("--store", checkStore(o.Store))
		c.Store = o.Store
	}
	if problems == nil {
		v := validation{broken: func(string) bool { return false }}
		v.listeners(c)
		problems = v.problems
	}
	if problems == nil {
		return nil
	}
	return problems
}
