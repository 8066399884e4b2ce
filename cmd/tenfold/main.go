// Command tenfold takes an HTTP service from one node to a fleet, and proves that it holds.
//
// This package is the door: one file per verb, the wiring of the rooms, and what the terminal says.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, the same for every verb.
const (
	exitError  = 1 // it was tried and did not work
	exitUsage  = 2 // the command line or the file is wrong; nothing was started
	exitMissed = 3 // it worked and missed its goal, so that CI can act on the result
)

// cli is the command line: one field per verb.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Run the example shop on three nodes."`
	Up      upCmd      `cmd:"" help:"Run services on many nodes behind one address."`
	Status  statusCmd  `cmd:"" help:"Show the services and nodes of a running tenfold."`
	Restart restartCmd `cmd:"" help:"Replace all nodes of a service, one by one."`
	Scale   scaleCmd   `cmd:"" help:"Set the number of nodes of a service."`
	Drain   drainCmd   `cmd:"" help:"Replace one node: let its requests finish, then stop it."`
	Check   checkCmd   `cmd:"" help:"Check tenfold.yaml: all problems at once, with line and hint."`
	Load    loadCmd    `cmd:"" help:"Find where a service breaks: open load, honest latencies, the knee."`
	Plan    planCmd    `cmd:"" help:"Say what to scale, how far, and what it takes."`
	Version versionCmd `cmd:"" help:"Print the version."`
	Shop    shopCmd    `cmd:"" hidden:"" passthrough:"" help:"The example shop, as demo runs it."`
	Reaper  reaperCmd  `cmd:"" hidden:"" help:"Ends the processes that tenfold started when tenfold is killed."`
}

// terminal is what a verb may touch of the process it runs in.
type terminal struct {
	ctx    context.Context // ends on the first signal: stop softly
	now    context.Context // ends on the second: stop at once
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

func main() {
	soft, endSoft := context.WithCancel(context.Background())
	hard, endHard := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		endSoft()
		<-signals
		endHard()
	}()
	os.Exit(run(&terminal{ctx: soft, now: hard, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// run is the whole program as a function: arguments in, exit code out.
func run(t *terminal, args []string) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("tenfold"),
		kong.Description("Takes an HTTP service from one node to a fleet, and proves that it holds."),
		kong.Writers(t.stdout, t.stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
	)
	if err != nil {
		panic(err) // a wrong struct tag above: every test of this package would hit it
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help printed itself
		return exited
	}
	if err != nil {
		return printError(t.stderr, misused(err))
	}
	return printError(t.stderr, parsed.Run(t))
}

// misused says which help helps with a command line that kong refused.
func misused(err error) error {
	verb := ""
	if e := (*kong.ParseError)(nil); errors.As(err, &e) && e.Context.Selected() != nil {
		verb = e.Context.Selected().Name
	}
	said := err.Error()
	if flag, _, cut := strings.Cut(said, ": expected "); cut && strings.HasSuffix(said, "(<EOL>)") {
		err = fmt.Errorf("%s wants a value", flag)
	}
	file, unexpected := strings.CutPrefix(said, "unexpected argument ")
	switch {
	case verb == "" && isFile(file):
		return usageError(err, "tenfold up -f "+file+" runs it, tenfold check -f "+file+" checks it")
	case verb == "":
		return usageError(err, "tenfold --help shows every verb")
	case verb == "check" && unexpected:
		return usageError(err, "the file comes after -f: tenfold check -f "+file)
	case verb == "up" && strings.HasPrefix(said, "unknown flag "):
		return usageError(err, "tenfold up --help; a command with flags of its own comes after --: tenfold up -- COMMAND --FLAG")
	}
	return usageError(err, "tenfold "+verb+" --help")
}

// isFile tells a file of services from a command or a verb.
func isFile(argument string) bool {
	ext := filepath.Ext(argument)
	return ext == ".yaml" || ext == ".yml"
}

// printError writes err and its hint, and returns the exit code.
func printError(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintf(w, "tenfold: %v\n", err)
	}
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(w, "hint: %s\n", h.Hint())
	}
	if c := (interface{ ExitCode() int })(nil); errors.As(err, &c) {
		return c.ExitCode()
	}
	return exitError
}

// failure is an error with what the terminal adds to it. A room that knows a hint gives its error type a method Hint.
type failure struct {
	error
	hint string // "" for that of the error itself
	code int
}

func (f *failure) Hint() string {
	h := (interface{ Hint() string })(nil)
	if f.hint == "" && errors.As(f.error, &h) {
		return h.Hint()
	}
	return f.hint
}

func (f *failure) ExitCode() int { return f.code }
func (f *failure) Unwrap() error { return f.error }

// usageError marks err as the caller's: exit code 2.
func usageError(err error, hint string) error { return &failure{err, hint, exitUsage} }

// hinted adds what to do next to an error: exit code 1.
func hinted(err error, hint string) error { return &failure{err, hint, exitError} }
