package main

import (
	"net/http"
	"strings"
	"testing"
)

// Two of three services cannot start: the command of one does not exist, that of the other ends at once. The third one
// serves.
func TestUpServiceThatCannotStartLeavesTheOthersAlone(t *testing.T) {
	x := upAnyhow(t, call{args: append([]string{"-f", "-"}, quiet...), stdin: `
services:
  service: {run: [service], nodes: 2}
  missing: {run: [no-such-command], nodes: 1}
  ends: {run: [sh, -c, "echo cannot start; exit 3"], nodes: 1}
routes: [{path: /missing, to: missing}, {path: /ends, to: ends}, {path: /, to: service}]
`})
	x.await("the services that cannot start are given up for the moment", func() bool {
		failed := 0
		for _, s := range x.services() {
			if s.CrashLoop {
				failed++
			}
		}
		return failed == 2
	})
	for path, want := range map[string]int{"/": 200, "/missing": 503, "/ends": 503} {
		resp, err := http.Get(x.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	said := x.verb("status")
	for _, want := range []string{"service: 2 of 2 ready", "missing: 0 of 1 ready, CRASH LOOP", "ends: 0 of 1 ready, CRASH LOOP", "exit status 3"} {
		if !strings.Contains(said, want) {
			t.Errorf("status does not say %q:\n%s", want, said)
		}
	}
	if n := strings.Count(x.stderr.String(), "service cannot start"); n != 2 {
		t.Errorf("the log says %d times that a service cannot start, want twice", n)
	}
	x.stop()
}
