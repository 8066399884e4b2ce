package config

import "github.com/tenfold-go/tenfold/internal/strictyaml"

// File is a Config with the places of its values, for problems that are found after it was read.
type File struct {
	*Config
	Name   string   // as it was given to LoadFile
	Files  []string // the file itself, and those that it names: certificates, keys, pages
	places strictyaml.Places
}

// names notes a file that the file names.
func (r *reader) names(path string) { r.files = append(r.files, path) }

// Problem returns err as a problem of the value at path, in the form of those that LoadFile finds.
func (f *File) Problem(path string, err error) Problem {
	p := strictyaml.ProblemAt(path, err)
	at := f.places.Locate(path)
	p.File, p.Line, p.Column = f.Name, at.Line, at.Column
	return p
}
