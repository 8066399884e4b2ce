package gateway

import "testing"

func TestConnectionsForOpenFiles(t *testing.T) {
	for _, c := range []struct{ files, nodes, want int }{
		{0, 2, 0}, {256, 2, 92}, {256, 100, 64}, {1024, 2, 476}, {1024, 1000, 256}, {1 << 20, 10, 524_236}, {16, 1, 8},
	} {
		if got := connectionsFor(c.files, c.nodes); got != c.want {
			t.Errorf("%d files, %d nodes: %d connections, want %d", c.files, c.nodes, got, c.want)
		}
	}
}
