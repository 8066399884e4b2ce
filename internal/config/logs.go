package config

import (
	"path/filepath"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Log says what is logged, in which form and where. A format alone, log: json, is Format.
type Log struct {
	// Format is text or json. "auto" is text when standard error is a terminal, and json elsewhere. Default "auto".
	Format    LogFormat
	Access    bool // a record for each request; default true
	Query     bool // access records have the query, which may hold secrets; default false
	UserAgent bool // access records have the User-Agent field; default false

	File string // for events and access records; default: standard error; an absolute path once read
	Size int64  // rotate File when it is larger; default 0: never
	Keep int    // how many old files are kept: File.1 is the newest; default 5
}

// LogFormat is the form of records.
type LogFormat string

// The forms of records.
const (
	LogAuto LogFormat = "auto"
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

func (l *Log) fields() []field {
	return []field{
		{"format", scalar[LogFormat]{&l.Format, parseLogFormat, func(f LogFormat) string { return string(f) }}},
		{"access", toggle(&l.Access)},
		{"query", toggle(&l.Query)},
		{"user_agent", toggle(&l.UserAgent)},
		{"file", logFile{&l.File}},
		{"size", size(&l.Size, 0, 1<<40)},
		{"keep", whole(&l.Keep, 0, 1000)},
	}
}

func (l *Log) short(text string) (err error) {
	l.Format, err = parseLogFormat(text)
	return err
}

func parseLogFormat(s string) (LogFormat, error) {
	return parseChoice(s, "auto, text or json", "a form of records", []LogFormat{LogAuto, LogText, LogJSON})
}

// leastLogSize is the smallest size that rotates a file. Below it, tenfold would rename files all the time.
const leastLogSize = 64 << 10

func (v *validation) log(l *Log) {
	switch {
	case l.Size > 0 && l.Size < leastLogSize:
		v.problem("log.size", "", "%s is less than %s", printSize(l.Size), printSize(leastLogSize))
	case l.Size > 0 && l.File == "":
		v.problem("log.size", "file: tenfold.log", "has no effect without file")
	}
}

// logFile is a path relative to the file. The file need not exist, but its directory must.
type logFile struct{ p *string }

func (f logFile) read(r *reader, n strictyaml.Value) {
	path, ok := r.path(n)
	if !ok {
		return
	}
	*f.p = path
	if isDirectory(path) {
		r.Problem(n, wrong("the name of a file in it", "%s is a directory", quote(path)))
	} else if dir := filepath.Dir(path); !isDirectory(dir) {
		r.Problem(n, wrong("", "there is no directory %s", quote(dir)))
	}
}

func (f logFile) show() any {
	if *f.p == "" {
		return nil
	}
	return *f.p
}
