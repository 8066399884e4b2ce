package redistest

import (
	"testing"

	"github.com/redis/rueidis"
)

// Connect returns a client of the server at an address. It is closed at the end of the test. Adjust changes the options
// of the client, for example DisableRetry; by default the client has one connection, no client-side cache, and retries.
func Connect(t testing.TB, address string, adjust ...func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	o := rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, ForceSingleClient: true, PipelineMultiplex: -1,
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10,
	}
	for _, f := range adjust {
		f(&o)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatalf("connect to redis at %s: %v", address, err)
	}
	t.Cleanup(client.Close)
	return client
}

// NoRetry is an argument for Connect: the client never sends a command twice.
func NoRetry(o *rueidis.ClientOption) { o.DisableRetry = true }

// Cluster is an argument for Connect: the client speaks to Redis Cluster.
func Cluster(o *rueidis.ClientOption) { o.ForceSingleClient = false }
