package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Options are what a file may refer to outside of itself.
type Options struct {
	// Getenv looks up ${NAME} in admin.token and in env of a service; nil means os.LookupEnv.
	Getenv func(name string) (value string, set bool)
	// Dir is what the paths of the file are relative to; "" means the working directory.
	Dir string
}

// Load reads a file. What is wrong in it comes back as Problems; any other error means that it could not be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return Parse(path, data, &Options{Dir: filepath.Dir(path)})
}

// Parse reads the text of a file; name is what its problems call it. An error is of type Problems, except when the
// working directory cannot be found. A Config that comes without an error is complete: every default is filled in, and
// everything that can be checked without starting the services holds.
func Parse(name string, data []byte, o *Options) (*Config, error) {
	r := reader{getenv: os.LookupEnv, places: map[string]place{}}
	if o == nil {
		o = &Options{}
	}
	if o.Getenv != nil {
		r.getenv = o.Getenv
	}
	var err error
	if r.dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("find working directory: %w", err)
	}
	body, problems := parseSource(data)
	if len(problems) > 0 {
		return nil, problems.in(name)
	}
	c, _ := defaults()
	r.readFields(node{body, "", place{1, 1}}, c.fields())
	c.settle(r.dir)
	for _, p := range c.validate(r.broken) {
		at := r.locate(p.Path)
		p.Line, p.Column = at.line, at.column
		r.problems = append(r.problems, p)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.in(name)
	}
	return &c, nil
}

// in names the file of every problem and puts them in its order.
func (ps Problems) in(file string) Problems {
	for i := range ps {
		ps[i].File = file
	}
	ps.sort()
	return ps
}
