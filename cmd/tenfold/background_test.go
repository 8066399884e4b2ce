package main

import (
	"os"
	"strconv"
	"testing"
)

func TestReadyPipeIsAPipe(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, wrong := range []string{"", "x", "-1", "0", "1", "99999", strconv.Itoa(int(null.Fd()))} {
		t.Setenv(readyVariable, wrong)
		if pipe := takeReadyPipe(); pipe != nil {
			t.Errorf("%s=%s is taken", readyVariable, wrong)
		}
	}
	t.Setenv(readyVariable, strconv.Itoa(int(write.Fd())))
	pipe := takeReadyPipe()
	if pipe == nil {
		t.Fatal("a pipe is not taken")
	}
	if value, set := os.LookupEnv(readyVariable); set {
		t.Errorf("%s=%s is left for the nodes", readyVariable, value)
	}
	pipe.Close() // the same descriptor as write, whose Close fails now
	write.Close()
}
