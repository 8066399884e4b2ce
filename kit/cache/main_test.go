package cache

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// TestMain skips the examples if there is no server to run them on. Tests skip themselves.
func TestMain(m *testing.M) {
	flag.Parse()
	_, redis := exec.LookPath("redis-server")
	_, valkey := exec.LookPath("valkey-server")
	if redis != nil && valkey != nil && flag.Lookup("test.skip").Value.String() == "" {
		fmt.Println("SKIPPED: the examples, because redis-server is not on PATH")
		flag.Set("test.skip", "^Example")
	}
	os.Exit(m.Run())
}
