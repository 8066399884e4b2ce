package fleettest

import (
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

func TestClusterIsARemote(t *testing.T) {
	RunRemote(t, func(*testing.T) fleet.Remote { return NewCluster(2) })
}
