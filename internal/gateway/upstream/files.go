package upstream

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// filesInterval is how often the files for TLS connections to nodes are looked at.
const filesInterval = time.Second

// watchFiles reads the files for TLS connections to nodes again when they change, until ctx ends. Files that cannot be used
// leave the settings as they are. They are logged at the second look, because a program may replace them one by one.
func (p *Pool) watchFiles(ctx context.Context) {
	tick := time.NewTicker(filesInterval)
	defer tick.Stop()
	seen, failed := stateOfFiles(p.config().TLS), ""
	for looks := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		current := p.settings.Load()
		state := stateOfFiles(current.service.TLS)
		if state == seen {
			continue
		}
		next, err := p.Prepare(current.service, current.routes, false)
		if err != nil {
			if looks++; looks == 2 || looks > 2 && err.Error() != failed {
				failed = err.Error()
				p.log.Warn("certificate files for connections to nodes cannot be used: those before stay in use", "err", err)
			}
			continue
		}
		seen, failed, looks = state, "", 0
		if next.files != current.files && p.applyOver(current, next) {
			p.log.Info("certificates for connections to nodes read again")
		}
	}
}

// stateOfFiles describes the files as far as the file system knows them without reading.
func stateOfFiles(t *config.NodeTLS) string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	for _, name := range []string{t.CA, t.Cert, t.Key} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(&b, "%s: %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}
