// Command tenfold runs an HTTP service on many nodes behind one address, measures it, and plans its size.
//
// This package is the command line: one file per verb, the texts that a person reads, and the exit codes. The running
// system is package server.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// cli is the command line: one field per verb.
type cli struct {
	Demo     demoCmd        `cmd:"" help:"Run the example shop on three nodes."`
	Up       upCmd          `cmd:"" help:"Run services on many nodes behind one address."`
	Status   statusCmd      `cmd:"" help:"Show the services and nodes of a running tenfold."`
	Stop     stopCmd        `cmd:"" help:"Stop the tenfold that runs in this directory."`
	Reload   reloadCmd      `cmd:"" help:"Read the file again and make it run, without a closed connection."`
	Diff     diffCmd        `cmd:"" help:"Show what a reload would change."`
	Deploy   deployCmd      `cmd:"" help:"Run a service as the file says it now, on all nodes or on a share of the requests."`
	Rollback rollbackCmd    `cmd:"" help:"Run the version of a service before the last deploy."`
	Logs     logsCmd        `cmd:"" help:"Print the last lines of nodes, and follow them."`
	Run      runCmd         `cmd:"" help:"Run one command with the environment of a service."`
	Restart  restartCmd     `cmd:"" help:"Replace all nodes of a service, one by one."`
	Scale    scaleCmd       `cmd:"" help:"Set the number of nodes of a service."`
	Upgrade  upgradeCmd     `cmd:"" help:"Let a new process of the program serve, without a gap."`
	Drain    drainCmd       `cmd:"" help:"Replace one node: let its requests finish, then stop it."`
	Undrain  undrainCmd     `cmd:"" help:"Take a node back that drains or was drained."`
	Check    checkCmd       `cmd:"" help:"Check tenfold.yaml: all problems at once, with line and hint."`
	Load     loadCmd        `cmd:"" help:"Measure the rate at which a service breaks (its knee)."`
	Journey  journeyCmd     `cmd:"" help:"Make a journey for load from recorded traffic."`
	Plan     planCmd        `cmd:"" help:"Compute what to scale, how far, and what it needs."`
	Version  versionCmd     `cmd:"" help:"Print the version."`
	Shop     shopCmd        `cmd:"" hidden:"" passthrough:"" help:"The example shop, as demo runs it."`
	Memory   memoryStoreCmd `cmd:"" name:"memory-store" hidden:"" help:"Keep the shared state in memory."`
	Limit    limitCmd       `cmd:"" hidden:"" passthrough:"" help:"Apply limits to this process, and become a program."`
	Reaper   reaperCmd      `cmd:"" hidden:"" help:"Start the nodes, and end them when tenfold is killed."`
}

// main ends the context of the verb on the first signal, and closes terminal.killed on the second. A verb that starts no
// nodes then has one more second.
func main() {
	ctx, stop := context.WithCancel(context.Background())
	killed := make(chan struct{})
	t := &terminal{
		killed: killed, stdin: &interruptibleReader{os.Stdin, ctx.Done()},
		stdout: &interruptibleWriter{os.Stdout, ctx.Done()}, stderr: &interruptibleWriter{os.Stderr, ctx.Done()},
	}
	if err := t.succeed(ctx.Done()); err != nil {
		os.Exit(printError(t.stderr, err))
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		stop()
		<-signals
		close(killed)
		time.Sleep(interruptPatience)
		if !t.serving.Load() {
			os.Exit(exitError)
		}
	}()
	os.Exit(run(ctx, t, os.Args[1:]))
}

// run is the whole program as a function. It runs the verb that args name and returns the exit code.
func run(ctx context.Context, t *terminal, args []string) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("tenfold"),
		kong.Description("Runs an HTTP service on many nodes behind one address, measures it, and plans its size."),
		kong.Writers(t.stdout, t.stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // a wrong struct tag above: every test of this package finds it
	}
	args = customary(args)
	parsed, err := parser.Parse(args)
	if exited >= 0 { // kong has printed the help
		return exited
	}
	if err != nil {
		err = explainUsage(err)
		if wantsJSON(args) {
			printErrorRecords(slog.New(slog.NewJSONHandler(t.stderr, nil)), err)
			return exitCode(err)
		}
		return printError(t.stderr, err)
	}
	err = parsed.Run(t)
	if t.predecessor != nil && err != nil {
		t.predecessor.Fail(describeFailure(err))
	}
	return printError(t.stderr, err)
}

// customary turns what other programs accept into verbs and flags of this one.
func customary(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

// explainUsage adds a hint to the error of a command line that kong refused.
func explainUsage(err error) error {
	verb := ""
	if e := (*kong.ParseError)(nil); errors.As(err, &e) && e.Context.Selected() != nil {
		verb = e.Context.Selected().Name
	}
	text := err.Error()
	if flag, _, cut := strings.Cut(text, ": expected "); cut && strings.HasSuffix(text, "(<EOL>)") {
		err = fmt.Errorf("%s wants a value", flag)
	}
	if unknown, ok := strings.CutSuffix(text, `, did you mean "-h"?`); ok { // it is near to every short flag
		err, text = errors.New(unknown), unknown
	}
	file, unexpected := strings.CutPrefix(text, "unexpected argument ")
	switch {
	case usertext.HintOf(err) != "":
		return usageError(err, "")
	case verb == "" && isFile(file):
		return usageError(err, "tenfold up -f "+file+" runs it, tenfold check -f "+file+" checks it")
	case verb == "":
		return usageError(err, "tenfold --help shows every verb")
	case verb == "check" && unexpected:
		return usageError(err, "the file comes after -f: tenfold check -f "+file)
	case verb == "up" && strings.HasPrefix(text, "unknown flag "):
		return usageError(err, "tenfold up --help; a command with its own flags comes after --: tenfold up -- COMMAND --FLAG")
	}
	return usageError(err, "tenfold "+verb+" --help")
}
