package status

// Deploy says how a service gets the version of the file.
type Deploy struct {
	Share   float64 `json:"share,omitempty"`   // above 0, below 1: new nodes next to the old ones get this share of the requests; 0: all nodes
	Promote bool    `json:"promote,omitempty"` // the version that gets a share becomes that of all nodes; the file is not read
}
