package redistest

import (
	"net"
	"testing"
	"time"
)

// StartCluster starts a server in cluster mode that owns all slots. It refuses commands whose keys have different
// slots. Its clients are made with Client(Cluster).
func StartCluster(t testing.TB, args ...string) *Server {
	t.Helper()
	_, busPort, _ := net.SplitHostPort(FreeAddr(t))
	s := Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", busPort}, args...)...)
	admin := s.Client()
	slots := admin.B().ClusterAddslotsrange().StartSlotEndSlot().StartSlotEndSlot(0, 16383).Build()
	if err := admin.Do(t.Context(), slots).Error(); err != nil {
		t.Fatalf("give all slots to the cluster: %v", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := admin.Do(t.Context(), admin.B().Set().Key("x").Value("y").Build()).Error()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the cluster does not start: %v", err)
		}
	}
	if err := admin.Do(t.Context(), admin.B().Mget().Key("a", "b").Build()).Error(); err == nil {
		t.Fatal("the server accepts keys of different slots, so it is not in cluster mode")
	}
	return s
}
