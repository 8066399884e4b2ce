// Package succession replaces a running tenfold by another process of the program: the successor.
//
// # The conversation
//
// The predecessor starts the successor with one end of a socket pair, over which they talk:
//
//	successor      hello    it understands this
//	successor      take     its command line is right; what is there?
//	predecessor    state    everything that the successor must know, with open files; from here on nothing changes
//	successor      ready    it could serve
//	predecessor    go       the successor has everything now; the predecessor accepts nothing more
//	successor      serving  it serves
//
// Later, the successor may say end: it is going to stop nodes that the requests of its predecessor are on.
//
// Until go, the predecessor can return to its work: a successor that ends, reports an error or is too slow is killed, and
// nothing has changed. The end of the connection tells the successor that the last request of its predecessor is over.
//
// # The supervisor
//
// The first process of a tenfold stays when it has a successor: a terminal, a service manager or a container knows only that
// process. It has become small, passes on signals, and ends with the exit code of the process that serves. Each process that
// serves has a link to the supervisor, and hands it on to its successor. So there are never more than two processes for long,
// however many upgrades there are.
package succession

import (
	"encoding/json"
	"errors"
	"time"
)

// message is what the two processes say.
type message struct {
	Verb    string          `json:"verb"`
	PID     int             `json:"pid,omitempty"`
	Version string          `json:"version,omitempty"`
	Commit  string          `json:"commit,omitempty"`
	Error   string          `json:"error,omitempty"`
	State   json.RawMessage `json:"state,omitempty"`
}

const (
	verbHello   = "hello"
	verbTake    = "take"
	verbState   = "state"
	verbReady   = "ready"
	verbGo      = "go"
	verbServing = "serving"
	verbFailed  = "failed" // with an error
	verbEnd     = "end"    // to the predecessor: finish the requests, and do not wait for idle connections
)

// How long each step of a successor may take.
const (
	helloPatience = 10 * time.Second
	takePatience  = 20 * time.Second // it reads its command line
	readyPatience = 30 * time.Second // it opens everything, and its probes pass
	goPatience    = 10 * time.Second
)

// variable names the descriptor of the conversation in the environment of a successor. The next descriptor is that of the
// standard error of tenfold: the standard error of a successor is read by its predecessor until it serves.
const variable = "TENFOLD_SUCCESSION"

var errUnexpected = errors.New("unexpected message")
