package runfile

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"
)

// Record describes one running tenfold.
type Record struct {
	Directory string    `json:"directory"`          // the project: that of the file, or where a tenfold without a file was started; absolute
	Started   time.Time `json:"started"`            // when the process began to serve
	StartedIn string    `json:"started_in"`         // the working directory of tenfold; absolute
	File      string    `json:"file,omitempty"`     // absolute; "" for a command line, "-" for standard input
	Name      string    `json:"name"`               // of the project, for messages
	EnvFile   string    `json:"env_file,omitempty"` // of a command line; absolute
	PID       int       `json:"pid"`
	Admin     string    `json:"admin,omitempty"` // host:port; "" when the admin address is off
	Token     string    `json:"token,omitempty"` // what the admin address accepts
	Listen    []string  `json:"listen"`          // URLs of the gateway
	Store     string    `json:"store,omitempty"` // what nodes get as REDIS_URL; may have a password
	Log       string    `json:"log,omitempty"`   // the file that has the output of a tenfold in the background

	path string // of the file; "" for a record that was not read from one
}

// Runs reports whether the record is of a tenfold that was started with path: its file, its project directory, or the
// directory in which it was started. The path must be absolute and clean.
func (r *Record) Runs(path string) bool {
	return path == r.Directory || path == r.StartedIn || r.File != "" && path == r.File
}

// Find returns the records that belong to the directory dir: those that run dir itself, else those of the nearest
// parent that has some. A directory for which isProject returns true ends the search, because its parents are other
// projects. dir must be absolute.
func Find(all []Record, dir string, isProject func(dir string) bool) []Record {
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		found := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return !r.Runs(dir) })
		if len(found) > 0 || isProject(dir) || dir == filepath.Dir(dir) {
			return found
		}
	}
}

// sort orders records by directory, and by age within a directory.
func sort(all []Record) {
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Directory, b.Directory), a.Started.Compare(b.Started), cmp.Compare(a.PID, b.PID))
	})
}
