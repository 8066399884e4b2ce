package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// The linker sets version and commit for releases: -ldflags "-X main.version=1.2.3 -X main.commit=HASH". See deploy/release.
// Other binaries have what go build recorded.
var version, commit string

type versionCmd struct{}

func (versionCmd) Run(t *terminal) error {
	v, c := buildVersion()
	_, err := fmt.Fprintf(t.stdout, "tenfold %s commit %s %s %s/%s\n", v, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// buildVersion returns the version of this binary, "(devel)" between releases, and its commit, "unknown" when the binary
// was built outside of a repository. The commit ends in "-modified" when files had changes that were not committed.
func buildVersion() (v, c string) {
	v, c = version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		v = cmp.Or(v, info.Main.Version)
		if c == "" {
			c = recordedCommit(info)
		}
	}
	return cmp.Or(v, "(devel)"), cmp.Or(c, "unknown")
}

// recordedCommit returns the commit that go build recorded, or "".
func recordedCommit(info *debug.BuildInfo) (c string) {
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			c = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if c != "" && modified {
		c += "-modified"
	}
	return c
}
