package process

import (
	"context"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

const doomedVariable = "PROCESSTEST_DOOMED"

// doomed is a tenfold that is going to be killed: it starts nodes, says so and waits for its end. Its nodes are Holds.
func doomed(belts string) {
	o := Options{Keeper: []string{os.Args[0], "keeper"}}
	if belts == "kernel" {
		o.Keeper = nil
	}
	d, err := New(&o)
	if err != nil {
		panic(err)
	}
	self := os.Args[0]
	specs := []fleet.Spec{{ID: "plain", Run: []string{self}}}
	if belts == "both" {
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
	keeper := 0
	if d.keeper != nil {
		keeper = d.keeper.pid
	}
	fmt.Println(keeper)
	select {}
}
