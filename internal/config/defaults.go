package config

import (
	"slices"
	"time"
)

// defaults returns every default that does not depend on the rest of the file; config.go names them next to the fields.
// fillDependent fills in the other ones.
func defaults() (Config, Service) {
	return Config{
			Listen:    []string{unsetListen},
			Admin:     Admin{Listen: AdminAuto},
			Forwarded: Forwarded{Read: ForwardedAuto, Write: ForwardedBoth},
			Store:     "auto",
			Drain:     30 * time.Second,
			Log:       Log{Format: LogAuto, Access: true, Keep: 5},
			Expose:    ExposeNothing,
			Limits: Limits{
				HeaderBytes:   32 << 10,
				HeaderLines:   128,
				URIBytes:      8 << 10,
				HeaderTimeout: 10 * time.Second,
				BodyGrace:     20 * time.Second,
				BodyRate:      500,
				WriteTimeout:  60 * time.Second,
				IdleTimeout:   75 * time.Second,
			},
		}, Service{
			Probe: Probe{
				Path:     "/",
				Interval: 2 * time.Second,
				Timeout:  1 * time.Second,
				Rise:     1,
				Fall:     3,
				Status:   []StatusRange{{200, 399}},
				Method:   "GET",
			},
			Outlier: Outlier{
				Failures:    5,
				SuccessRate: 1.9,
				Interval:    10 * time.Second,
				MinRequests: 100,
				Eject:       10 * time.Second,
				MaxEject:    5 * time.Minute,
				MaxShare:    0.5,
			},
			Balance:   Balance{Picker: PickP2C},
			Limit:     Limit{InFlight: 1024, Queue: 1024, Wait: time.Second},
			Retry:     Retry{Tries: 3, Budget: 0.1, BodyBytes: 64 << 10},
			Breaker:   Breaker{FailureRate: 0.5, MinRequests: 20, Window: 10 * time.Second, Open: 5 * time.Second},
			Response:  Response{HeaderBytes: 64 << 10, HeaderLines: 256},
			SlowStart: 10 * time.Second,
			Drain:     unset,
			Timeout:   60 * time.Second,

			IdleTimeout: 60 * time.Second,
			Upgrade:     []string{"websocket"},

			ReplaceAfter: time.Minute,
			Restart:      RestartAlways,
			StartTimeout: time.Minute,
		}
}

const (
	defaultNodes = 2
	unset        = -1 // a duration whose default is another key
	unsetListen  = "" // no address
)

// fillDependent fills in the defaults that depend on the rest of the file.
func (c *Config) fillDependent(dir string) {
	if slices.Equal(c.Listen, []string{unsetListen}) {
		c.Listen = []string{c.defaultListen()}
	}
	if c.JWT != nil && c.JWT.Secret != "" && len(c.JWT.Algorithms) == 0 {
		c.JWT.Algorithms = []string{hmacAlgorithm}
	}
	for i := range c.Services {
		s := &c.Services[i]
		if s.Drain == unset {
			s.Drain = c.Drain
		}
		if s.Kind() == Owned && s.MinNodes == 0 && len(s.Addresses) == 0 {
			s.MinNodes, s.MaxNodes = defaultNodes, defaultNodes
		}
		if s.Kind() == Owned && s.Dir == "" {
			s.Dir = dir
		}
	}
	if len(c.Routes) == 0 && len(c.Services) == 1 {
		c.Routes = []Route{{Path: "/", To: c.Services[0].Name, Auth: AuthOff}}
	}
	for i := range c.Routes {
		for _, p := range routePolicies {
			if p.defaults != nil {
				p.defaults(&c.Routes[i])
			}
		}
	}
	for i := range c.Services {
		s := &c.Services[i]
		s.Worker = s.Kind() == Owned && !c.routed(s.Name)
	}
}

// defaultListen returns the address for clients that know only a host name, if tenfold orders certificates.
func (c *Config) defaultListen() string {
	if c.TLS != nil && c.TLS.Auto == AutoOn && len(c.CertificateNames().Public) > 0 {
		return ":" + securePort
	}
	return ":8080"
}

// routed reports whether a route leads to the service.
func (c *Config) routed(service string) bool {
	for _, r := range c.Routes {
		if r.To == service {
			return true
		}
	}
	return false
}
