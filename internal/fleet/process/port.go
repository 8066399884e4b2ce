package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

// The driver uses ports below the range that the kernel uses for outgoing connections (from 32768 on Linux, from 49152
// on other systems). A gateway under load makes thousands of connections. One of them could take the port between the
// start of a node and its listen.
const (
	firstPort = 20000
	lastPort  = 32767
	portTries = 200
)

// freePort finds a loopback port on which no program listens and which no node of this driver has. Another program may
// take the port before the node listens. Then the node ends, and the fleet starts another one on another port.
func freePort(taken func(int) bool) (int, error) {
	for range portTries {
		port := firstPort + rand.N(lastPort-firstPort+1)
		if !taken(port) && free(port) {
			return port, nil
		}
	}
	return 0, errors.New("find a free port: no success in " + strconv.Itoa(portTries) + " tries")
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
