// Package recording reads recordings of traffic and writes the journey that they show, in the format of package journey.
//
// [FromHAR] reads what a browser has recorded: one visit, step by step, with its pauses. [FromLog] reads access logs: which
// paths visitors request, how often and in which order. Both return a [Journey], whose Write method writes the file.
//
// A journey never contains a secret of the recording: cookies, credentials and tokens are replaced by values that an earlier
// step extracts from its response, or else by the text [Placeholder].
package recording

import "time"

// Placeholder stands in a journey for a value that was a secret.
const Placeholder = "CHANGE_ME"

// Limits on what is read and written. A file above a limit is an error or is cut with a note.
const (
	maxFile     = 256 << 20 // bytes of a HAR file; access logs are streams without a limit
	maxSteps    = 200       // of one visitor, as in package journey
	maxVisitors = 100       // as in package journey
	maxThink    = time.Hour // as in package journey
	maxText     = 2 << 10   // bytes of a path, a header or a value
	maxBody     = 64 << 10  // bytes of a request body
)

// Journey is the result: the visitors, and what a reader must know about it.
type Journey struct {
	Source   string // how the recording is called in the file
	Target   string // base URL of the recorded service; "" if the recording does not say
	Visitors []Visitor
	Notes    []string // what was left out or changed, and why
}

// Visitor is one kind of visitor.
type Visitor struct {
	Name   string
	Weight float64
	Steps  []Step
}

// Step is one request. Path, Header and Body are templates of package journey.
type Step struct {
	Method  string
	Path    string
	Header  []Field
	Body    string
	HasBody bool
	Status  int // expected; 0 for any below 400
	Think   time.Duration
	Extract []Extract
}

// Field is a header field.
type Field struct{ Name, Value string }

// Extract takes a value from the response of a step.
type Extract struct {
	Name   string // of the variable
	Kind   string // json, header, regexp or cookie
	Source string
}
