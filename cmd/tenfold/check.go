package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/foreign"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/server"
	"github.com/tenfold-go/tenfold/internal/store"
)

type checkCmd struct {
	File      string `short:"f" placeholder:"FILE" help:"File to check; default tenfold.yaml, or else Procfile. - reads standard input."`
	Effective bool   `xor:"form" help:"Print the file with every default filled in and secrets masked."`
	JSON      bool   `name:"json" xor:"form" help:"Print problems and notes as JSON."`
}

// Help shows an example file.
func (checkCmd) Help() string {
	return `
Reads the file and starts nothing. If the file has problems, check shows all of them, each with its place and a correction,
and the exit code is 2. A note is not a problem: it names a setting that is valid but probably a mistake.

This file runs one worker and two nodes of a shop, which tenfold scale can raise to five. The shop gets all requests:

    listen: :8080
    services:
      shop:
        run: [shop, serve]       # started with PORT set; or nodes: [10.0.0.1:8080, ...]
        nodes: 2..5
        probe: /readyz           # GET every 2s; a node is ready if the status is 200 to 399
        env: {DATABASE_URL: "${DATABASE_URL}"}
      mail:
        run: [mailer]            # no route leads here: a worker, without a port
        nodes: 1
    routes:
      - {path: /, to: shop}

All other fields have defaults. To see all fields and their values:

    tenfold check --effective
    echo 'services: {shop: {run: [shop]}}' | tenfold check -f - --effective
`
}

func (cmd checkCmd) Run(t *terminal) error {
	c, err := loadConfig(t, cmd.File)
	cmd.File = cmp.Or(cmd.File, projectFile())
	if err == nil {
		err = buildable(c)
	}
	if cmd.JSON {
		return printCheck(t.stdout, cmd.File, c, err)
	}
	if err != nil {
		return usageError(err, "")
	}
	for _, note := range checkNotes(c) {
		fmt.Fprintf(t.stderr, "note: %s\n", note)
	}
	if cmd.Effective {
		_, err = t.stdout.Write(c.YAML())
		return err
	}
	return printSummary(t.stdout, cmd.File, c)
}

// checkNotes returns the notes about the file, and one for each program that this machine does not have. The file may be
// meant for another machine, so that is not a problem.
func checkNotes(c *config.Config) []config.Problem {
	notes := c.Notes()
	for _, e := range server.MissingCommands(c.Services) {
		path := "services." + e.Service + "." + e.Key + "[0]"
		if slices.ContainsFunc(notes, func(p config.Problem) bool { return p.Path == path }) {
			continue // it is a variable, not a program
		}
		notes = append(notes, config.Problem{
			Path: path, Message: fmt.Sprintf("the program %q is not found on this machine: %v", e.Command, e.Err), Hint: e.Hint(),
		})
	}
	return notes
}

// loadConfig reads a file, standard input if its name is "-", or that of the working directory if it is "". Its errors have
// exit code 2.
func loadConfig(t *terminal, file string) (c *config.Config, err error) {
	if file == "-" {
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(t.stdin, 2<<20)); err == nil { // Parse refuses more than 1 MiB
			c, err = config.Parse("standard input", data, nil)
		}
	} else {
		var f *config.File
		if f, err = loadProject(file); err == nil {
			c = f.Config
		}
	}
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, usageError(err, missingFileHint(cmp.Or(file, yamlFile)))
	case errors.Is(err, syscall.EISDIR):
		return nil, usageError(err, "name the file in it: -f "+filepath.Join(file, yamlFile))
	}
	return nil, usageError(err, "")
}

// missingFileHint returns what to do if a file does not exist.
func missingFileHint(file string) string {
	for _, ending := range []string{".yml", ".yaml"} {
		other := strings.TrimSuffix(file, filepath.Ext(file)) + ending
		if _, err := os.Stat(other); err == nil {
			return fmt.Sprintf("%s exists: use -f %s", other, other)
		}
	}
	for _, name := range foreign.Names {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), name)); err == nil {
			return name + " exists: " + foreign.HintFor(name)
		}
	}
	return "tenfold check --help shows an example file; tenfold up -- COMMAND needs no file"
}

// buildable builds the gateway, which reads all files that c names, and starts nothing.
func buildable(c *config.Config) error {
	s, err := store.New(c.Store, nil)
	if err != nil {
		return err
	}
	_, err = gateway.New(c, &gateway.Options{Store: s})
	return err
}

// checkResult is the result of a check as JSON.
type checkResult struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Problems []config.Problem `json:"problems"`
	Notes    []config.Problem `json:"notes"`
}

// printCheck prints problems and notes as JSON. If err is not about problems of the file, printCheck prints nothing and
// returns err.
func printCheck(w io.Writer, file string, c *config.Config, err error) error {
	result := checkResult{File: file, OK: err == nil, Problems: []config.Problem{}, Notes: []config.Problem{}}
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		result.Problems = problems
		err = usageError(fmt.Errorf("%s in %s", report.Count(len(problems), "problem"), file), "")
	} else if err != nil {
		return err
	} else {
		result.Notes = append(result.Notes, checkNotes(c)...)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return errors.Join(encoder.Encode(result), err)
}

// printSummary prints the listeners, services and routes of a file without problems.
func printSummary(w io.Writer, file string, c *config.Config) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if file == "-" {
		file = "standard input"
	}
	fmt.Fprintf(tw, "%s is fine\n", file)
	fmt.Fprintf(tw, "  listen\t%s\n", listeners(c))
	admin := c.Admin.Listen
	if admin == config.AdminAuto {
		admin = config.DefaultAdmin + ", or a free port when that one is taken"
	}
	fmt.Fprintf(tw, "  admin\t%s\n", admin)
	for _, s := range c.Services {
		fmt.Fprintf(tw, "  service\t%s\t%s\n", s.Name, describe(&s))
	}
	for _, r := range c.Routes {
		fmt.Fprintf(tw, "  route\t%s%s\t%s%s%s\n", r.Host, r.Path, leadsTo(&r), conditions(&r), policies(&r))
	}
	return tw.Flush()
}

// listeners names the addresses with their protocols: ":8443, :9443 (https), :80 (redirects to https)".
func listeners(c *config.Config) string {
	var parts, same []string
	all := c.Listeners()
	for i, l := range all {
		same = append(same, l.Address)
		if i+1 == len(all) || protocolOf(all[i+1]) != protocolOf(l) {
			parts = append(parts, strings.Join(same, ", ")+" ("+protocolOf(l)+")")
			same = nil
		}
	}
	return strings.Join(parts, ", ")
}

func protocolOf(l config.Listener) string {
	switch {
	case l.TLS:
		return "https"
	case l.Redirect:
		return "redirects to https"
	}
	return "http"
}

// describe returns the nodes of a service in words.
func describe(s *config.Service) string {
	if s.Kind() == config.Listed {
		return report.Count(len(s.Addresses), "node") + " at " + list(s.Addresses)
	}
	what := "node"
	if s.Worker {
		what = "worker"
	}
	nodes := report.Count(s.InitialNodes(), what)
	if s.MaxNodes > s.MinNodes && s.Bounded() {
		nodes = fmt.Sprintf("%d to %s", s.MinNodes, report.Count(s.MaxNodes, what))
	}
	return nodes + " of " + strings.Join(s.Run, " ")
}

// list joins up to three values.
func list(all []string) string {
	const limit = 3
	if len(all) > limit {
		return strings.Join(all[:limit], ", ") + ", ..."
	}
	return strings.Join(all, ", ")
}

// leadsTo returns where a route leads to, in words.
func leadsTo(r *config.Route) string {
	if r.To == "" {
		return "no service"
	}
	return "to " + r.To
}

// conditions returns the methods and headers that a route requires, in words.
func conditions(r *config.Route) string {
	if len(r.Methods) == 0 && len(r.Headers) == 0 {
		return ""
	}
	parts := r.Methods
	if len(r.Headers) > 0 {
		parts = append(parts[:len(parts):len(parts)], report.Count(len(r.Headers), "header")+" match")
	}
	return " if " + strings.Join(parts, ", ")
}

// policies lists the policies of a route in words.
func policies(r *config.Route) string {
	var b strings.Builder
	for _, p := range r.Policies() {
		b.WriteString(", " + p.Long)
	}
	return b.String()
}
