package claim

import (
	"context"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"
)

// each runs a test on every kind of store.
func each(t *testing.T, test func(t *testing.T, c rueidis.Client)) {
	t.Run("redis", func(t *testing.T) { test(t, connect(t, realServer(t))) })
	t.Run("in memory", func(t *testing.T) { test(t, connect(t, miniredis.RunT(t).Addr())) })
}

// realServer starts a redis-server or valkey-server on a free port of loopback. It ends with the test, also when the test is
// killed: the shell that started it waits for a pipe to break.
func realServer(t testing.TB, args ...string) (address string) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		program, err = exec.LookPath("valkey-server")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not on PATH, and CI must not skip this test")
		}
		t.Skip("SKIPPED: redis-server is not on PATH")
	}
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	args = append([]string{"-c", `"$@" </dev/null & read _; kill -9 $!; wait`, "sh",
		program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir(), "--logfile", "log"}, args...)
	cmd := exec.Command("sh", args...)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer at %s: %v", program, address, err)
		}
	}
}

// cluster connects to a server in cluster mode, which refuses scripts whose keys are in different slots.
func cluster(t testing.TB) rueidis.Client {
	t.Helper()
	_, bus, _ := net.SplitHostPort(freeAddress(t))
	address := realServer(t, "--cluster-enabled", "yes", "--cluster-port", bus)
	admin, ctx := connect(t, address), context.Background()
	check(t, admin.Do(ctx, admin.B().ClusterAddslotsrange().StartSlotEndSlot().StartSlotEndSlot(0, 16383).Build()).Error())
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := admin.Do(ctx, admin.B().Set().Key("x").Value("y").Build()).Error()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster does not come up: %v", err)
		}
	}
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true, DisableRetry: true})
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func connect(t testing.TB, address string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, DisableRetry: true, ForceSingleClient: true,
	})
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

// claims are those of one gateway. What is waited for comes: machines that run tests may be busy.
func claims(c rueidis.Client) *Claims {
	return New(func() (rueidis.Client, error) { return c, nil }, &Options{Timeout: patience})
}

const patience = time.Minute

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect takes a key and checks how it was found.
func expect(t testing.TB, c *Claims, key Key, print byte, want State) Found {
	t.Helper()
	found, err := c.Take(t.Context(), key, Print{print}, time.Hour)
	check(t, err)
	if found.State != want {
		t.Fatalf("state %d, want %d", found.State, want)
	}
	if ours := found.Claim != nil; ours != (want == Taken || want == TakenOver) {
		t.Fatalf("state %d, and the claim is ours: %v", found.State, ours)
	}
	return found
}

// expire makes it the end of a claim's lease.
func expire(t testing.TB, c rueidis.Client, key Key) {
	t.Helper()
	check(t, c.Do(t.Context(), c.B().Hset().Key(string(key)).FieldValue().FieldValue("lease", "1").Build()).Error())
}
