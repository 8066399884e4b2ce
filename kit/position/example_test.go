package position_test

import (
	"context"
	"fmt"

	"github.com/tenfold-go/tenfold/kit/position"
)

// A loader reads from a replica only if the replica has replayed enough.
func ExampleNeeded() {
	replica := position.Position{Timeline: 1, Offset: 0x3000060}
	load := func(ctx context.Context) string {
		if replica.Before(position.Needed(ctx)) {
			position.Report(ctx, position.Primary)
			return "from the primary"
		}
		position.Report(ctx, replica)
		return "from the replica"
	}
	for _, needed := range []position.Position{{}, {Timeline: 1, Offset: 0x30000a8}} {
		ctx, read := position.WithRead(context.Background(), needed)
		fmt.Println("need", needed, "-", load(ctx), "at", read.At())
	}
	// Output:
	// need none - from the replica at 1/3000060
	// need 1/30000a8 - from the primary at primary
}
