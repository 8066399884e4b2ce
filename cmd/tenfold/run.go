package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/runfile"
)

type runCmd struct {
	adminFlags
	Store   string   `placeholder:"URL" help:"redis:// URL, or none; default: the store of the running tenfold, or that of the file."`
	Service string   `arg:"" help:"Service whose environment the command gets."`
	Command []string `arg:"" placeholder:"COMMAND" help:"The command, after --."`
}

// Help is the text below the summary.
func (runCmd) Help() string {
	return `
Runs one command with the environment, the directory and the user of a service, on this terminal: migrations, consoles, tasks. It
gets REDIS_URL of the running tenfold, and no PORT. The exit code is that of the command.

    tenfold run web -- ./manage.py migrate
    tenfold run web -- bash

The file is read as it is now. Without a running tenfold, the command runs if the store is none or at a URL.
`
}

func (cmd runCmd) Run() error {
	service, env, err := cmd.service()
	if err != nil {
		return err
	}
	own := service.Environment()
	for _, name := range slices.Sorted(maps.Keys(own)) {
		env = append(env, name+"="+own[name])
	}
	env = append(env, "TENFOLD_SERVICE="+service.Name, fmt.Sprintf("TENFOLD_NODE=%s-run.%d", service.Name, os.Getpid()))
	err = process.Exec(fleet.Spec{Run: cmd.Command, Dir: service.Dir, Env: env, Limits: fleet.Limits{User: service.User}})
	return hinted(fmt.Errorf("run %q in %s: %w", cmd.Command[0], service.Dir, err), hint(err))
}

// service returns the service, and the variables that name the store.
func (cmd runCmd) service() (*config.Service, []string, error) {
	cfg, store, err := cmd.load()
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for i := range cfg.Services {
		s := &cfg.Services[i]
		names = append(names, s.Name)
		switch {
		case s.Name != cmd.Service:
		case s.Kind() != config.Owned:
			return nil, nil, usageError(fmt.Errorf("tenfold does not run the nodes of %s", s.Name), "its environment is where its nodes run")
		case store != "":
			return s, []string{config.StoreVariable + "=" + store}, nil
		default:
			return s, nil, nil
		}
	}
	return nil, nil, hinted(fmt.Errorf("no service has the name %q; the services are %s", cmd.Service, strings.Join(names, ", ")), "")
}

// load returns the configuration of the running tenfold, or else of the working directory, and the URL of the store.
func (cmd runCmd) load() (*config.Config, string, error) {
	if cmd.Store == "auto" {
		return nil, "", usageError(errors.New("--store auto: a private store has no use for one command"), "a URL, or none")
	}
	r, notRunning := cmd.find()
	if notRunning == nil {
		cfg, err := loadRunning(r)
		if err != nil {
			return nil, "", err
		}
		if cmd.Store == "" {
			return cfg, r.Store, nil
		}
		if err := cmd.override(cfg); err != nil {
			return nil, "", usageError(err, "")
		}
		return cfg, storeURL(cfg), nil
	}
	if cmd.Admin != "" {
		return nil, "", notRunning
	}
	f, err := cmd.loadStopped()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, "", notRunning
	case err != nil:
		return nil, "", usageError(err, "")
	}
	if err := cmd.override(f.Config); err != nil {
		return nil, "", usageError(err, "")
	}
	if f.Store == "auto" {
		return nil, "", hinted(fmt.Errorf("%w, so its services have no store", notRunning), "tenfold up starts it; --store URL names another store, --store none uses none")
	}
	return f.Config, storeURL(f.Config), nil
}

// override applies --store and the store of the environment.
func (cmd runCmd) override(cfg *config.Config) error {
	if err := cfg.Override(config.Overrides{Store: cmd.Store}); err != nil {
		return err
	}
	return cfg.UseStoreVariable(os.Getenv)
}

// storeURL returns the URL of a store that is not a private one, or "".
func storeURL(cfg *config.Config) string {
	if strings.Contains(cfg.Store, "://") {
		return cfg.Store
	}
	return ""
}

// loadStopped reads the file of --project, or of the working directory.
func (cmd runCmd) loadStopped() (*config.File, error) {
	if cmd.Project == "" {
		return loadProject("")
	}
	info, err := os.Stat(cmd.Project)
	if err == nil && info.IsDir() {
		return loadRecorded(filepath.Join(cmd.Project, yamlFile))
	}
	return config.LoadFile(cmd.Project)
}

// loadRunning reads the configuration of a running tenfold again.
func loadRunning(r runfile.Record) (*config.Config, error) {
	switch r.File {
	case "-":
		return nil, hinted(errors.New("the running tenfold has its file from standard input, which cannot be read again"), "start it with -f FILE")
	case "":
		o := &config.CommandOptions{Name: r.Name, EnvFile: cmp.Or(r.EnvFile, "off")}
		cfg, err := config.Command([]string{"the command of the running tenfold"}, o)
		if err != nil {
			return nil, usageError(err, "")
		}
		cfg.Services[0].Dir = r.StartedIn
		return cfg, nil
	}
	f, err := loadRecorded(r.File)
	if err != nil {
		return nil, usageError(err, "")
	}
	return f.Config, nil
}
