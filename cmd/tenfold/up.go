package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/filewatch"
	"github.com/tenfold-go/tenfold/internal/runfile"
	"github.com/tenfold-go/tenfold/internal/server"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

type upCmd struct {
	File          string        `short:"f" placeholder:"FILE" help:"File to run; default tenfold.yaml, or else Procfile, when no command is given. - reads standard input."`
	Listen        []string      `placeholder:"ADDR" help:"Address of the gateway, default :8080; may be repeated. Overrides the file."`
	Admin         string        `placeholder:"ADDR" help:"Admin address, or off; default 127.0.0.1:9090, or a free port when that one is taken. Overrides the file."`
	Store         string        `placeholder:"URL" help:"redis:// URL, auto or none; default auto. Overrides the file."`
	Nodes         string        `placeholder:"N|MIN..MAX" help:"Nodes of COMMAND: how many it starts with, or the bounds for tenfold scale; default 2."`
	Name          string        `placeholder:"NAME" help:"Name of the service of COMMAND; default: from its script or program."`
	Sticky        string        `placeholder:"COOKIE" help:"Cookie that makes a visitor of COMMAND prefer one node."`
	EnvFile       string        `placeholder:"FILE|off" help:"File of variables for COMMAND; default .env if it exists."`
	Log           string        `enum:"auto,text,json" default:"auto" placeholder:"auto|text|json" help:"How to log; default auto: text on a terminal, json elsewhere. With json, the error at the end is a JSON record, too. Overrides the file."`
	LogFile       string        `placeholder:"FILE" help:"File for events and access records, instead of standard error. SIGUSR1 opens it again, for log rotation. Overrides the file."`
	Access        string        `enum:",on,off" default:"" placeholder:"on|off" help:"Log a record per request; default on. Overrides the file."`
	Watch         bool          `help:"Reload when the file, or a file that it names, has changed."`
	RestartOn     []string      `sep:"none" placeholder:"PATH" help:"In development: restart the nodes, one by one, when a file at or below PATH changes; may be repeated."`
	Detach        bool          `help:"Run in the background. Returns when all nodes are ready, or with the last lines of a start that failed."`
	Timeout       time.Duration `placeholder:"DURATION" help:"With --detach, how long to wait until all nodes are ready; default 2m."`
	BackgroundLog string        `hidden:"" help:"The log file of this process, which runs in the background."`
	Command       []string      `arg:"" optional:"" placeholder:"COMMAND" help:"The service to run, after --; it must listen on $$PORT."`
}

// Help is the text below the summary.
func (upCmd) Help() string {
	return `
Runs services on many nodes behind one address. The short form needs no file; the command listens on $PORT:

    tenfold up --nodes 3 -- python3 app.py
    tenfold up --nodes 3 --listen :80 -- node server.js
    tenfold up --name shop -- ./server --port '$PORT'

With a file (tenfold check --help shows one):

    tenfold up
    tenfold up -f shop.yaml --listen :80
    tenfold up --detach          runs in the background, until tenfold stop
    tenfold up --watch           reloads the file when it changes

Without tenfold.yaml, a Procfile is run: its process web gets the requests, and the others are workers.

In development, the nodes restart when a source changes. --restart-on leaves out hidden directories, node_modules and the files that
editors and interpreters write. Nodes of a change that does not start are held back:

    tenfold up --restart-on src --restart-on templates -- node src/server.js

Nodes that end are replaced. Nodes that do not answer get no requests. While it runs:

    tenfold status
    tenfold diff
    tenfold reload
    tenfold restart SERVICE
    tenfold drain NODE

The first Ctrl-C lets requests finish. The second one ends them at once. All processes that tenfold started are gone when it
ends.
`
}

func (cmd upCmd) Run(ctx context.Context, t *terminal) error {
	if cmd.Detach {
		return cmd.runDetached(ctx, t)
	}
	if cmd.BackgroundLog != "" {
		if err := t.intoBackground(cmd.BackgroundLog); err != nil {
			return err
		}
		if t.predecessor != nil {
			t.predecessor.OwnStderr = true
		}
	}
	ready := takeReadyPipe()
	src := cmd.source()
	if cmd.Watch && src == nil {
		return usageError(errors.New("--watch needs a file to watch"), "put the services into a file: tenfold up --watch -f FILE")
	}
	cfg, inherited, cfgErr := cmd.configOrInherit(t) // before the log is opened: it says where
	flags := logFlagsOf(cfg, cmd.Log, cmd.LogFile)
	flags.people = cmd.BackgroundLog != ""
	return withDiagnostics(ctx, t, flags, func(ctx context.Context, d *diagnostics) error {
		var o serveOptions
		if src != nil {
			o.load, o.reloads = src.load, newReloadRequests()
			d.reloadOnHangup(o.reloads)
		}
		if cmd.Watch {
			src.load() // for the names of the files; config reports its problems
			w := filewatch.New(src.named)
			go w.Run(ctx, func() { o.reloads.add("watch") }) // ends with ctx
		}
		if cfgErr != nil {
			return cfgErr
		}
		begun := time.Now()
		if inherited == nil {
			d.notes(cfg.Notes())
		}
		record, err := cmd.record(cfg)
		if err != nil {
			return err
		}
		o.logs, o.record, o.inherited, o.upgrades = d.Logs, record, inherited, true
		if inherited != nil && cmd.Watch {
			o.reloads.add("watch") // the file may have changed during the upgrade
		}
		if len(cmd.RestartOn) > 0 {
			if o.sources, err = filewatch.NewTree(cmd.RestartOn); err != nil {
				return usageError(fmt.Errorf("--restart-on: %w", err), "a file or a directory with sources")
			}
		}
		o.opened = func(s *server.Server) { d.started(cfg, s) }
		o.ready = func(s *server.Server) {
			d.ready(s, time.Since(begun))
			tellReady(ready, s)
		}
		return serve(ctx, t, cfg, o)
	})
}

// configOrInherit returns the configuration of the predecessor, or that of the command line when there is none.
func (cmd upCmd) configOrInherit(t *terminal) (*config.Config, *server.Inherited, error) {
	inherited, err := t.inherit()
	if err != nil {
		return nil, nil, err
	}
	if inherited != nil {
		return inherited.Config, inherited, nil
	}
	cfg, err := cmd.config(t)
	return cfg, nil, err
}

// record describes this tenfold for other verbs.
func (cmd upCmd) record(cfg *config.Config) (*runfile.Record, error) {
	file, name := cmd.file(), ""
	if len(cmd.Command) > 0 {
		file, name = "", cfg.Services[0].Name
	}
	r, err := newRecord(file, name)
	if err != nil {
		return nil, err
	}
	r.Log = cmd.BackgroundLog
	if files := cfg.Services[0].EnvFile; len(cmd.Command) > 0 && len(files) > 0 {
		r.EnvFile = files[0]
	}
	return r, nil
}

// config reads the file or the command, and applies the flags that win over it.
func (cmd upCmd) config(t *terminal) (cfg *config.Config, err error) {
	switch {
	case len(cmd.Command) > 0 && cmd.File != "":
		return nil, usageError(errors.New("both a file and a command"), "put the command into the file as run:, or leave -f out")
	case len(cmd.Command) > 0:
		if err := checkCommand(cmd.Command); err != nil {
			return nil, err
		}
		o := &config.CommandOptions{Name: cmd.Name, Nodes: cmd.Nodes, Sticky: cmd.Sticky, EnvFile: cmd.EnvFile}
		if cfg, err = config.Command(cmd.Command, o); errors.As(err, new(config.Problems)) {
			return nil, usageError(err, "--env-file off leaves out the file of variables")
		} else if err != nil {
			return nil, usageError(err, cmp.Or(usertext.HintOf(err), "for example: tenfold up --nodes 3 -- python3 app.py"))
		}
	case cmd.Nodes != "":
		return nil, usageError(errors.New("--nodes is for the short form"), "with a file, set nodes: in it; or tenfold up --nodes 3 -- COMMAND")
	case cmd.Name != "":
		return nil, usageError(errors.New("--name is for the short form"), "in a file, the key of services is the name; or tenfold up --name shop -- COMMAND")
	case cmd.Sticky != "":
		return nil, usageError(errors.New("--sticky is for the short form"), "with a file, set sticky: in it; or tenfold up --sticky COOKIE -- COMMAND")
	case cmd.EnvFile != "":
		return nil, usageError(errors.New("--env-file is for the short form"), "with a file, set env_file: in it; or tenfold up --env-file FILE -- COMMAND")
	default:
		if cfg, err = loadConfig(t, cmd.File); err != nil {
			return nil, err
		}
	}
	if err := cmd.override(cfg); err != nil {
		return nil, usageError(err, "")
	}
	return cfg, nil
}

// override puts into cfg what wins over the file: the flags, and the store of the environment over a store that the file
// does not name.
func (cmd upCmd) override(cfg *config.Config) error {
	flags := config.Overrides{
		Listen: cmd.Listen, Admin: cmd.Admin, Store: cmd.Store, Access: cmd.Access, LogFormat: config.LogFormat(cmd.Log), LogFile: cmd.LogFile,
	}
	if err := cfg.Override(flags); err != nil {
		return err
	}
	return cfg.UseStoreVariable(os.Getenv)
}

// file returns the name of the file to run, if there is no command.
func (cmd upCmd) file() string { return cmp.Or(cmd.File, projectFile()) }

// checkCommand returns an error with a hint for a command line that is a typical mistake. A command that exists is
// never one.
func checkCommand(command []string) error {
	first := command[0]
	if _, err := exec.LookPath(first); err == nil {
		return nil
	}
	switch {
	case isFile(first):
		return usageError(fmt.Errorf("%q is a file of services, not a command", first), "tenfold up -f "+first)
	case len(command) == 1 && strings.Contains(first, " "):
		return usageError(fmt.Errorf("%q is one word, because of its quotes", first), "without them: tenfold up -- "+first)
	case strings.HasPrefix(first, "PORT=") || strings.HasPrefix(first, "HOST="):
		return usageError(fmt.Errorf("%q is a variable, not a command", first), "leave it out: tenfold gives each node its own PORT, and HOST")
	case strings.Contains(first, "="):
		return usageError(fmt.Errorf("%q is a variable, not a command", first), "tenfold up -- env "+strings.Join(command, " "))
	}
	return nil
}

// isFile reports whether an argument has the name of a YAML file. A command or a verb has not.
func isFile(argument string) bool {
	ext := filepath.Ext(argument)
	return ext == ".yaml" || ext == ".yml"
}
