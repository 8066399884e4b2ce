package process

import (
	"context"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

const killedVariable = "PROCESSTEST_KILLED"

// runUntilKilled is a tenfold that a test kills. It starts nodes, prints the pid of its reaper and waits. Its nodes are
// [fleettest.Hold] programs. safeguards is "both", or "kernel" for no reaper.
func runUntilKilled(safeguards string) {
	o := Options{Reaper: []string{os.Args[0], "reaper"}}
	if safeguards == "kernel" {
		o.Reaper = nil
	}
	d, err := New(&o)
	if err != nil {
		panic(err)
	}
	self := os.Args[0]
	specs := []fleet.Spec{{ID: "plain", Run: []string{self}}}
	if safeguards == "both" {
		specs = append(specs,
			fleet.Spec{ID: "npm", Run: []string{"sh", "-c", `"$0" & "$0" & wait`, self}},
			fleet.Spec{ID: "session", Run: []string{"sh", "-c", `setsid "$0" & "$0"; wait`, self}},
			fleet.Spec{ID: "daemon", Run: []string{"sh", "-c", `(setsid "$0" &) ; "$0"`, self}},
			fleet.Spec{ID: "cleared", Run: []string{"sh", "-c",
				`env -u TENFOLD_FLEET "$0" & exec env -u TENFOLD_FLEET "$0"`, self}},
		)
	}
	for _, s := range specs {
		if _, err := d.Start(context.Background(), s); err != nil {
			panic(err)
		}
	}
	reaper := 0
	if r, ok := d.parent.(*remote); ok {
		reaper = r.pid
	}
	fmt.Println(reaper)
	select {}
}
