package gateway

import (
	"log/slog"

	"github.com/tenfold-go/tenfold/internal/config"
)

// maxConnections returns how many connections of clients may be open at a time; 0 for no limit.
func maxConnections(cfg *config.Config, log *slog.Logger, m *Metrics) int {
	nodes := 0
	for i := range cfg.Services {
		nodes += cfg.Services[i].MaxNodes + len(cfg.Services[i].Addresses)
	}
	limit := connectionsFor(openFiles(), nodes)
	if n := cfg.Limits.Connections; n > 0 {
		if limit > 0 && n > limit {
			log.Warn("limits.connections is more than the limit of open files allows for", "connections", n, "allowed_for", limit)
		}
		limit = n
	}
	m.connectionLimit.Set(float64(limit))
	return limit
}

const (
	reservedFiles        = 64 // for listeners, the admin address, the store and logs
	reservedFilesPerNode = 5  // for the two outputs of a node, its probe and its start
	leastConnections     = 8
)

// connectionsFor returns how many connections of clients a process may have. files is the limit of its open files. The
// result 0 means no limit. A request needs two connections: one from the client and one to a node.
func connectionsFor(files, nodes int) int {
	if files == 0 {
		return 0
	}
	reserve := min(reservedFiles+reservedFilesPerNode*nodes, files/2)
	return max(leastConnections, (files-reserve)/2)
}
