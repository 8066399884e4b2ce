package fleet

import "github.com/tenfold-go/tenfold/internal/config"

// version is what the nodes of an owned service run. It is immutable.
type version struct {
	number  int            // 1 for the first version of the service; a number is never reused
	service config.Service // as the configuration said it
	driver  Driver
}

// newVersion makes the next version of the service. The lock is held.
func (s *service) newVersion(v Service) *version {
	s.versions++
	return &version{number: s.versions, service: v.Service, driver: v.Driver}
}
