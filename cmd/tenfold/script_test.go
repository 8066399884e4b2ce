package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var updateScripts = flag.Bool("update", false, "write what commands print now into the scripts of testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tenfold": main, "service": service})
}

// TestScripts runs the scripts of testdata/script: sessions in a terminal with what they must print. In them,
// "exec tenfold ..." is this program, and what sessionCommands lists works on one that runs.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *updateScripts,
		Setup:               newSession,
		Cmds:                sessionCommands,
	})
}
