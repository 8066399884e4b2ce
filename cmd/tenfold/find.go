package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/runfile"
)

// find returns the running tenfold of this user that the flags mean: that of --admin, that of --project, or the one that
// runs in the working directory or in the nearest parent.
func (f adminFlags) find() (r runfile.Record, err error) {
	all, err := runfile.List()
	if err != nil {
		return r, err
	}
	if f.Admin != "" {
		base, _ := f.base() // of an address that is wrong it is ""
		for _, r := range all {
			if r.Admin != "" && "http://"+r.Admin == strings.Replace(base, "//localhost:", "//127.0.0.1:", 1) {
				return r, nil
			}
		}
		return r, hinted(fmt.Errorf("no tenfold of this user on this machine has the admin address %s", f.Admin),
			"run this verb as the user that runs it, on its machine: on another one, only verbs that ask its admin address work")
	}
	where, found, err := f.search(all)
	switch {
	case err != nil:
		return r, err
	case len(found) == 0:
		return r, hinted(fmt.Errorf("no tenfold runs in %s", where), elsewhere(all))
	case len(found) > 1:
		return r, usageError(fmt.Errorf("%s run in %s:%s", report.Count(len(found), "tenfold"), where, describeRecords(found)),
			"name one: --project FILE or --admin ADDR")
	}
	return found[0], nil
}

// search returns the records of --project or of the working directory, and the name of the place for messages.
func (f adminFlags) search(all []runfile.Record) (where string, found []runfile.Record, err error) {
	if where, err = absolute(cmp.Or(f.Project, ".")); err != nil {
		return "", nil, err
	}
	if f.Project == "" {
		return where, runfile.Find(all, where, isProject), nil
	}
	if _, err := os.Stat(where); err != nil {
		return "", nil, usageError(fmt.Errorf("--project %s: no such file or directory", f.Project), "the directory or the file of a running tenfold")
	}
	for _, r := range all {
		if r.Runs(where) {
			found = append(found, r)
		}
	}
	return where, found, nil
}

// isProject reports whether a directory has what "tenfold up" would run there.
func isProject(dir string) bool {
	for _, name := range []string{yamlFile, procfile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// elsewhere is the hint of a directory without a running tenfold.
func elsewhere(all []runfile.Record) string {
	if len(all) == 0 {
		return "tenfold up starts one; --admin ADDR reaches one of another user or machine"
	}
	return "--project PATH or --admin ADDR names one that runs elsewhere:" + describeRecords(all)
}

// describeRecords lists running tenfolds, one per line.
func describeRecords(all []runfile.Record) string {
	var b strings.Builder
	for i, r := range all {
		if i == 20 {
			fmt.Fprintf(&b, "\n  and %d more", len(all)-i)
			break
		}
		what := cmp.Or(r.File, r.Name)
		if r.File == "-" {
			what = "standard input"
		}
		fmt.Fprintf(&b, "\n  %s: %s, pid %d, on %s, admin %s", r.Directory, what, r.PID, strings.Join(r.Listen, " "), cmp.Or(r.Admin, "off"))
	}
	return b.String()
}

// resolve returns f with the address and the token of the tenfold that it means.
func (f adminFlags) resolve() (adminFlags, error) {
	r, err := f.find()
	switch {
	case f.Admin != "" && err == nil:
		f.Token = cmp.Or(f.Token, r.Token)
	case f.Admin != "": // of another user or machine
	case err == nil && r.Admin == "":
		return f, hinted(fmt.Errorf("the tenfold in %s (pid %d) has no admin address", r.Directory, r.PID), "start it without --admin off")
	case err == nil:
		f.Admin, f.Token = r.Admin, cmp.Or(f.Token, r.Token)
	default:
		return f, err
	}
	return f, nil
}
