package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	fleetTimeout = 300 * time.Millisecond // of one look at the fleet: the page must not wait for it
	fleetTTL     = time.Second            // how long one look serves all pages
	maxFleet     = 1 << 20                // bytes of the response
)

// fleet reads the nodes of this shop from the admin API of the tenfold that runs them, for the front page of the demo.
type fleet struct {
	file   string // holds the URL of the admin API; it may be written after the start
	client http.Client

	mu    sync.Mutex
	nodes []fleetNode
	until time.Time // nodes are fresh until then
}

// fleetNode is a node as the admin API shows it.
type fleetNode struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	PID      int    `json:"pid"`
	Requests uint64 `json:"requests"`
	Served   bool   `json:"-"` // it made this page
}

// newFleet returns nil without a file: the front page then shows no fleet.
func newFleet(file string) *fleet {
	if file == "" {
		return nil
	}
	return &fleet{file: file, client: http.Client{Timeout: fleetTimeout}}
}

// seenBy returns the nodes, with the mark on the node that asks. It returns none when tenfold does not respond: the page is
// the same without them.
func (f *fleet) seenBy(ctx context.Context, node string) []fleetNode {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.After(f.until) {
		f.nodes, _ = f.read(ctx)
		f.until = now.Add(fleetTTL)
	}
	all := make([]fleetNode, len(f.nodes))
	for i, n := range f.nodes {
		n.Served = n.ID == node
		all[i] = n
	}
	return all
}

func (f *fleet) read(ctx context.Context) ([]fleetNode, error) {
	url, err := os.ReadFile(f.file)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSpace(string(url))+"/api/nodes", nil)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("admin API: %s", resp.Status)
	}
	var nodes []fleetNode
	err = json.NewDecoder(io.LimitReader(resp.Body, maxFleet)).Decode(&nodes)
	return nodes, err
}
