package wire

// Violation is one way in which a message breaks the rules of HTTP/1.1. A server answers it with the status. For a
// client it is the reason why a response is malformed. A nil *Violation means that the message is valid so far.
type Violation struct {
	Status int
	Reason string
}

// Violations that more than one part of a message can have. The others stand next to the code that finds them.
var (
	BadLineEnd = &Violation{400, "line does not end in CRLF"}
	BadTrailer = &Violation{400, "trailer field that belongs in the header"}
)
