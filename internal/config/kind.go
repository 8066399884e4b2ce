package config

// Kind says who starts and stops the nodes of a service.
type Kind uint8

const (
	Undefined Kind = iota // neither a command nor addresses: no file with such a service is valid
	Owned                 // tenfold starts and stops the nodes: run
	Listed                // the nodes run elsewhere, at fixed addresses: nodes: [host:port, ...]
	Remote                // another system starts and stops the nodes; no key of the file makes such a service yet
)

// Kind returns the kind of the service.
func (s *Service) Kind() Kind {
	switch {
	case len(s.Run) > 0:
		return Owned
	case len(s.Addresses) > 0:
		return Listed
	}
	return Undefined
}
