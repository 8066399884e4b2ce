package cache

import "strings"

// storedAcks begins the writer of a message whose acknowledgements go through the store, because the writer has no
// subscription that could receive them.
const storedAcks = "+"

// message announces an invalidation to all nodes.
type message struct {
	object object
	writer string // receives the acknowledgements: a node, or storedAcks and the ID of a process
	id     string // of the invalidation, unique to the process
}

func (m message) String() string {
	return string(m.object.kind) + "|" + m.writer + "|" + m.id + "|" + m.object.name
}

func parseMessage(text string) (m message, ok bool) {
	parts := strings.SplitN(text, "|", 4)
	if len(parts) != 4 || parts[0] != "k" && parts[0] != "t" {
		return m, false
	}
	return message{object: object{parts[0][0], parts[3]}, writer: parts[1], id: parts[2]}, true
}
