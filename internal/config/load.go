package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tenfold-go/tenfold/internal/foreign"
	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Options are the things outside of the file that it may refer to.
type Options struct {
	// Getenv looks up ${NAME} in admin.token, jwt.secret, and in env and probe.headers of a service; nil means os.LookupEnv.
	Getenv func(name string) (value string, set bool)
	// Dir is the directory that the paths of the file are relative to; "" means the working directory.
	Dir string
}

// Load reads a file. Errors in the file are returned as Problems; any other error means that the file could not be read.
func Load(path string) (*Config, error) {
	f, err := LoadFile(path)
	if err != nil {
		return nil, err
	}
	return f.Config, nil
}

// LoadFile is Load for a caller that may find further problems, or that waits for changes. With an error it returns a File
// without a Config.
func LoadFile(path string) (*File, error) {
	none := &File{Name: path, Files: []string{path}}
	f, err := usertext.Open(path)
	if err != nil {
		return none, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxFile+1))
	if err != nil {
		return none, err
	}
	return parse(path, data, &Options{Dir: filepath.Dir(path)})
}

// Parse reads the text of a file. name is the file name in its problems. An error is of type Problems, except when the
// working directory cannot be found. A Config that is returned without an error is complete: every default is filled in, and
// every check that is possible without starting the services has passed.
func Parse(name string, data []byte, o *Options) (*Config, error) {
	f, err := parse(name, data, o)
	if err != nil {
		return nil, err
	}
	return f.Config, nil
}

func parse(name string, data []byte, o *Options) (*File, error) {
	r := reader{getenv: os.LookupEnv}
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
	r.names(name)
	root, problems := strictyaml.Parse(data, smallestFile)
	if len(problems) > 0 {
		return &File{Name: name, Files: r.files}, refusal(name, data, problems)
	}
	c, _ := defaults()
	r.readFields(root, c.fields())
	c.fillDependent(r.dir)
	for _, p := range c.validate(r.Broken) {
		r.Add(p)
	}
	f := &File{Name: name, Files: r.files, places: r.Places()}
	if problems := r.Problems(); len(problems) > 0 {
		return f, refusal(name, data, problems)
	}
	f.Config = &c
	return f, nil
}

// refusal returns the problems of a file, or the one answer to a file of another tool.
func refusal(name string, data []byte, problems Problems) Problems {
	if kind := foreign.Recognise(name, data, resemblesKey); kind != nil {
		problems = Problems{{Line: 1, Column: 1, Message: "this is " + kind.What + ", not a tenfold.yaml", Hint: kind.Hint()}}
	}
	return problems.In(name)
}

// resemblesKey reports whether name is a key of the top of a file, or was probably meant as one.
func resemblesKey(name string) bool {
	var c Config
	fields := c.fields()
	return fieldOf(fields, name) != nil || meant(name, fields) != ""
}

// smallestFile is the hint for an empty file.
const smallestFile = "the smallest file is: services: {shop: {run: [shop, serve]}}"

// reader reads tenfold.yaml and collects its problems.
type reader struct {
	strictyaml.Reader
	getenv func(string) (string, bool)
	dir    string   // absolute; paths of the file are relative to it
	files  []string // the file, and those that it names
}

// refused reports a value that cannot be used.
func (r *reader) refused(n strictyaml.Value, text string, err error) {
	if strings.Contains(text, "${") {
		err = wrong("only admin.token, jwt.secret, env, users of basic_auth and values of headers are", "is not read from the environment here")
	}
	r.Problem(n, err)
}

// Problem is one error in tenfold.yaml, or a note about it.
type Problem = strictyaml.Problem

// Problems are all problems of one file.
type Problems = strictyaml.Problems

// wrong returns an error about a value, with a hint that says what would be right.
var wrong = strictyaml.Wrong

// quote returns a value of the file for a message.
var quote = strictyaml.Quote
