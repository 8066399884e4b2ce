package store

import (
	"errors"
	"net/url"
)

// Handover is what the store of a successor must know. It has a secret. It is written and read as JSON.
type Handover struct {
	// ID is that of the server that tenfold has started; "" for a store that needs no server of tenfold.
	ID     string `json:"id,omitempty"`
	URL    string `json:"url,omitempty"` // of that server
	Name   string `json:"name,omitempty"`
	Starts int    `json:"starts,omitempty"`
}

// ErrNoHandover says that a store in the memory of this process cannot be handed over.
var ErrNoHandover = errors.New("the store is in the memory of this process")

// Handover returns the store as a successor must know it.
func (s *Store) Handover() (Handover, error) {
	switch b := s.backend.(type) {
	case *private:
		b.mu.Lock()
		defer b.mu.Unlock()
		return Handover{ID: b.id, URL: b.url(), Name: b.name, Starts: b.starts}, nil
	case *embedded:
		return Handover{}, ErrNoHandover
	}
	return Handover{}, nil
}

// Adopt makes Open take over the server of a predecessor, which process returns, or a new server at the same address
// when it has ended. Adopt does nothing when this store needs no server of tenfold.
func (s *Store) Adopt(h Handover, process func(id string) (Process, bool)) error {
	p, ok := s.backend.(*private)
	if !ok || h.ID == "" {
		return nil
	}
	u, err := url.Parse(h.URL)
	if err != nil || u.Host == "" {
		return errors.New("adopt store: malformed URL")
	}
	p.address, p.name, p.starts = u.Host, h.Name, h.Starts
	p.password, _ = u.User.Password()
	if running, ok := process(h.ID); ok {
		p.process, p.id = running, h.ID
	}
	return nil
}
