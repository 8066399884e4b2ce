package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

type reloadCmd struct {
	adminFlags
	JSON bool `name:"json" help:"Print the result as JSON."`
}

// Help is the text below the summary.
func (reloadCmd) Help() string {
	return `
Reads the file again and makes it run, without a closed connection: WebSockets and long requests go on. The running tenfold
checks the file and prepares everything first. If there is a problem, nothing changes, reload shows all problems as
tenfold check does, and the exit code is 2.

A service whose command, directory or environment has changed gets new nodes, one by one; a new node is ready before an old
one stops. If the new nodes do not get ready, the old ones go on serving, and the exit code is 1. New services start before they
get requests. Services that are gone finish their requests and stop. All other changes need no new nodes.

The keys store and admin, and where and how log writes, cannot be changed by a reload. What a reload would do:

    tenfold diff

SIGHUP does the same as this verb. tenfold up --watch does it whenever the file changes.
`
}

func (cmd reloadCmd) Run(ctx context.Context, t *terminal) error {
	r, err := cmd.reloadResult(ctx, http.MethodPost, "/api/reload")
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printReloadJSON(t.stdout, r)
	}
	if len(r.Problems) > 0 {
		return usageError(config.Problems(r.Problems), "nothing has changed: the running configuration stays in use")
	}
	fmt.Fprintf(t.stdout, "reloaded %s: %s\n", r.File, countChanges(r))
	printChanges(t.stdout, r, "")
	return heldBack(r)
}

// heldBack returns the error of services whose new nodes do not work, with the last lines of these nodes.
func heldBack(r *status.Reload) error {
	if r.OK {
		return nil
	}
	var b strings.Builder
	for _, s := range r.Services {
		if s.Error == "" {
			continue
		}
		fmt.Fprintf(&b, "\n  %s: %s", s.Name, strings.ReplaceAll(s.Error, "\n", "\n  "))
	}
	return hinted(fmt.Errorf("%s%s", r.Error, b.String()), "the old nodes go on serving; correct the service and reload again")
}

// reloadResult asks for a reload or a diff. A result with an error is no error here.
func (f adminFlags) reloadResult(ctx context.Context, method, path string) (*status.Reload, error) {
	code, answer, err := f.send(ctx, method, path, nil)
	if err != nil {
		return nil, err
	}
	r := &status.Reload{}
	if code != http.StatusOK && code != http.StatusUnprocessableEntity && code != http.StatusInternalServerError ||
		json.Unmarshal(answer, r) != nil || r.File == "" && len(r.Problems) == 0 {
		return nil, explainReload(f.refusal(code, answer))
	}
	return r, nil
}

// explainReload adds a hint to a refused reload.
func explainReload(err error) error {
	if c := conflictError(""); errors.As(err, &c) {
		return hinted(err, "put the services into a file, and start with: tenfold up -f FILE")
	}
	return err
}

// printReloadJSON prints a result as it is. The error that it returns has the exit code and no text.
func printReloadJSON(w io.Writer, r *status.Reload) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil || r.OK {
		return err
	}
	if len(r.Problems) > 0 {
		return usageError(errors.New(r.Error), "")
	}
	return hinted(errors.New(r.Error), "")
}

func countChanges(r *status.Reload) string {
	if len(r.Changes) == 0 && len(r.Services) == 0 {
		return "no change"
	}
	return report.Count(len(r.Changes), "change")
}

// effects says in words what a reload does to a service.
var effects = map[status.Effect]string{
	status.EffectStart: "starts", status.EffectRoll: "its nodes are replaced one by one",
	status.EffectApply: "its nodes stay", status.EffectStop: "its nodes finish their requests and stop",
}

// effectOn says in words what a reload does to a service, with the version that runs.
func effectOn(s status.ServiceChange) string {
	switch {
	case s.Effect == status.EffectStay && s.Canary != nil:
		return fmt.Sprintf("stays at version %d, and version %d gets %s of the requests: see tenfold deploy %s --promote, tenfold rollback %s",
			s.Version, s.Canary.Version, report.Percent(s.Canary.Share), s.Name, s.Name)
	case s.Effect == status.EffectStay:
		return fmt.Sprintf("stays at version %d, to which it was rolled back: tenfold deploy %s runs what the file says", s.Version, s.Name)
	case s.Effect == status.EffectRoll && s.Version > 1:
		return fmt.Sprintf("its nodes (version %d) are replaced one by one", s.Version)
	}
	return effects[s.Effect]
}

// printChanges prints each change on one line, those of a service below the service.
func printChanges(w io.Writer, r *status.Reload, indent string) {
	printed := map[string]bool{}
	for _, s := range r.Services {
		fmt.Fprintf(w, "%sservice %s: %s\n", indent, s.Name, effectOn(s))
		prefix := "services." + s.Name
		for _, c := range r.Changes {
			if rest, ok := strings.CutPrefix(c.Path, prefix+"."); ok {
				printChange(w, indent+"  ", rest, c)
			}
			if c.Path == prefix || strings.HasPrefix(c.Path, prefix+".") {
				printed[c.Path] = true
			}
		}
	}
	for _, c := range r.Changes {
		if !printed[c.Path] {
			printChange(w, indent, c.Path, c)
		}
	}
}

func printChange(w io.Writer, indent, path string, c config.Change) {
	switch c.Action {
	case config.Added:
		fmt.Fprintf(w, "%s+ %s: %s\n", indent, path, c.New)
	case config.Removed:
		fmt.Fprintf(w, "%s- %s: %s\n", indent, path, c.Old)
	case config.Changed:
		if c.Old == "" {
			fmt.Fprintf(w, "%s~ %s: %s\n", indent, path, c.New)
			return
		}
		fmt.Fprintf(w, "%s~ %s: %s -> %s\n", indent, path, c.Old, c.New)
	}
}
