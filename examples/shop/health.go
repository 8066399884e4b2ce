package shop

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// alive reports that the process responds. It does not check dependencies: a restart would not repair a database.
func alive(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "alive\n") }

// readyWait is how long a dependency may take to respond. Most probes wait for a second.
const readyWait = 800 * time.Millisecond

// ready reports whether this node can serve customers, and if not, which dependency is missing.
func (s *Shop) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyWait)
	defer cancel()

	type result struct {
		name string
		err  error
	}
	results := make(chan result, len(s.state.dependencies))
	for _, d := range s.state.dependencies {
		go func() { results <- result{d.name, d.ping(ctx)} }()
	}
	var down []string
	for range s.state.dependencies {
		if res := <-results; res.err != nil {
			down = append(down, fmt.Sprintf("%s: %v", res.name, res.err))
		}
	}
	if down != nil {
		return refuse(http.StatusServiceUnavailable, "not ready: %s", strings.Join(down, "; "))
	}
	_, err := io.WriteString(w, "ready\n")
	return err
}
