package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

// Ports are taken from below the range from which the kernel takes the near end of outgoing connections (from 32768 on
// Linux, from 49152 elsewhere): a gateway under load makes thousands of those, and any of them could get hold of the
// port in the time that a node takes from its start to its listen.
const (
	firstPort = 20000
	lastPort  = 32767
	portTries = 200
)

// freePort finds a loopback port that nobody listens on and that is not taken by one of our own nodes. Between here and
// the node's own listen somebody else may get it: then the node ends, and is started again on another.
func freePort(taken func(int) bool) (int, error) {
	for range portTries {
		port := firstPort + rand.N(lastPort-firstPort+1)
		if !taken(port) && free(port) {
			return port, nil
		}
	}
	return 0, errors.New("find a free port: none in " + strconv.Itoa(portTries) + " tries")
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
