package upstream

import (
	"context"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/filewatch"
)

// filesInterval is how often the files for TLS connections to nodes are looked at.
const filesInterval = time.Second

// watchFiles reads the files for TLS connections to nodes again when they change, until ctx ends. Files that cannot be used
// leave the settings as they are. They are logged at the second look, because a program may replace them one by one.
func (p *Pool) watchFiles(ctx context.Context) {
	tick := time.NewTicker(filesInterval)
	defer tick.Stop()
	seen, failed := statesOfFiles(p.config().TLS), ""
	for looks := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		current := p.settings.Load()
		states := statesOfFiles(current.service.TLS)
		if states.Equal(seen) {
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
		seen, failed, looks = states, "", 0
		if next.files != current.files && p.applyOver(current, next) {
			p.log.Info("certificates for connections to nodes read again")
		}
	}
}

// statesOfFiles returns the states of the files that the settings name.
func statesOfFiles(t *config.NodeTLS) filewatch.States {
	if t == nil {
		return nil
	}
	return filewatch.Look(slices.DeleteFunc([]string{t.CA, t.Cert, t.Key}, func(name string) bool { return name == "" })...)
}
