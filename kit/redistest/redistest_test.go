package redistest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

func set(t *testing.T, client rueidis.Client, key, value string) {
	t.Helper()
	if err := client.Do(t.Context(), client.B().Set().Key(key).Value(value).Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, client rueidis.Client, key string) string {
	t.Helper()
	value, err := client.Do(t.Context(), client.B().Get().Key(key).Build()).ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatal(err)
	}
	return value
}

// TestRestartKeepsTheAddress checks that data is lost by default and survives with an append-only file.
func TestRestartKeepsTheAddress(t *testing.T) {
	for want, args := range map[string][]string{
		"":  nil,
		"v": {"--appendonly", "yes", "--appendfsync", "always"},
	} {
		server := redistest.Start(t, args...)
		client, address := server.Client(), server.Addr()
		set(t, client, "k", "v")
		server.Kill()
		server.Kill()
		server.Restart()
		if server.Addr() != address {
			t.Errorf("the address was %s and is %s", address, server.Addr())
		}
		if got := get(t, server.Client(), "k"); got != want {
			t.Errorf("with %v: the value is %q after a restart, want %q", args, got, want)
		}
		server.Restart()
	}
}

func TestPausedServerDoesNotAnswer(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	set(t, client, "k", "v")
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Do(ctx, client.B().Ping().Build()).Error(); err == nil {
		t.Error("a paused server answers")
	}
	server.Resume()
	if got := get(t, client, "k"); got != "v" {
		t.Errorf("the value is %q after a pause", got)
	}
}

func TestServersDoNotShareData(t *testing.T) {
	one, two := redistest.Start(t), redistest.Start(t)
	set(t, one.Client(), "k", "v")
	if got := get(t, two.Client(), "k"); got != "" || one.Addr() == two.Addr() {
		t.Errorf("%s and %s share a key", one.Addr(), two.Addr())
	}
}

func TestClusterServesAllSlots(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster)
	for i := range 20 {
		set(t, client, fmt.Sprint("key", i), "v")
	}
	if got := get(t, client, "key7"); got != "v" {
		t.Errorf("the value is %q", got)
	}
}

// TestServerEndsWithAKilledTestProcess kills a process of this test binary that runs TestStartsAServerAndWaits.
func TestServerEndsWithAKilledTestProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("SKIPPED: only Linux ends a server with a killed test process")
	}
	redistest.Start(t) // skips the test where there is no server
	cmd := exec.Command(os.Args[0], "-test.run", "^TestStartsAServerAndWaits$")
	cmd.Env = append(os.Environ(), "REDISTEST_WAIT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	lines := bufio.NewScanner(out)
	for pid == 0 && lines.Scan() {
		fmt.Sscanf(lines.Text(), "server %d", &pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if pid == 0 {
		t.Fatal("the process did not start a server")
	}
	for end := time.Now().Add(time.Minute); running(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("server %d still runs", pid)
		}
	}
}

// running tells whether a process exists and is not a zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// TestStartsAServerAndWaits is what TestServerEndsWithAKilledTestProcess kills. It does nothing otherwise.
func TestStartsAServerAndWaits(t *testing.T) {
	if os.Getenv("REDISTEST_WAIT") == "" {
		return
	}
	fmt.Println("server", redistest.Start(t).PID())
	select {}
}

func TestMain(m *testing.M) { redistest.Main(m) }

func ExampleStartExample() {
	server, stop := redistest.StartExample()
	defer stop()
	client := server.Client()
	fmt.Println(client.Do(context.Background(), client.B().Ping().Build()).ToString())
	// Output: PONG <nil>
}
