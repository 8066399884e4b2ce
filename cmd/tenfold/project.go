package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Names of the files that "tenfold up" runs without -f.
const (
	yamlFile = "tenfold.yaml"
	procfile = "Procfile"
)

// projectFile returns the name of the file that runs without -f: tenfold.yaml, or else Procfile. An empty tenfold.yaml
// next to a Procfile does not count: a shell makes one before it runs tenfold check --effective > tenfold.yaml.
func projectFile() string {
	info, err := os.Stat(yamlFile)
	if err == nil && (info.Size() > 0 || info.IsDir()) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return yamlFile
	}
	if _, err := os.Stat(procfile); err == nil {
		return procfile
	}
	return yamlFile
}

// loadProject reads the file of -f, or, when that is "", the one of the working directory.
func loadProject(file string) (*config.File, error) {
	if file != "" {
		return config.LoadFile(file)
	}
	return loadRecorded(projectFile())
}

// loadRecorded reads a file that ran without -f, or by a runtime file: one with the name of a Procfile is one.
func loadRecorded(file string) (*config.File, error) {
	if config.IsProcfile(file) {
		return config.LoadProcfile(file)
	}
	return config.LoadFile(file)
}
