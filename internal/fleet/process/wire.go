package process

// A message between tenfold and the reaper. A reaper may be older than its tenfold: it was started before an upgrade. So
// fields and verbs are added, never changed, and a reader ignores what it does not know.
type message struct {
	Verb string `json:"verb"` // see below
	// Number joins the reply to a start with its message.
	Number uint64 `json:"number,omitempty"`
	ID     string `json:"id,omitempty"`  // of a node
	Tag    string `json:"tag,omitempty"` // of the fleet
	Child  *child `json:"child,omitempty"`
	PID    int    `json:"pid,omitempty"`
	Errno  int    `json:"errno,omitempty"` // of a start that the kernel refused
	Error  string `json:"error,omitempty"`
	Exit   *exit  `json:"exit,omitempty"`
}

// Verbs of tenfold.
const (
	verbFleet = "fleet" // the first message: the tag of the fleet
	verbStart = "start" // a child, with the two files that it writes to and the two that read from there
	verbStop  = "stop"  // SIGTERM
	verbKill  = "kill"  // SIGKILL
	verbSeen  = "seen"  // the end of a node was processed: the reaper forgets the node
	verbEnd   = "end"   // end everything that is left

	verbOffer   = "offer"   // with a socket: the link of a successor
	verbRelease = "release" // the successor is the owner now
	verbAdopt   = "adopt"   // the first message of a successor: it asks for the nodes
)

// Verbs of the reaper.
const (
	verbHello   = "hello"   // it works
	verbStarted = "started" // reply to start
	verbEnded   = "ended"   // a node has ended

	verbHeld     = "held"     // reply to adopt, one for each node, with the two files that its outputs are read from; then hello. With an exit it has ended
	verbReleased = "released" // reply to release; with an error when there is no successor
	verbOwner    = "owner"    // to the successor: it is the owner now. The ends that its predecessor has not seen follow
)
