package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate/acme"
)

// prepareOrders gives a set the manager of its orders: that of the current set if its settings are the same.
func (s *Source) prepareOrders(set *Set, t *config.TLS) error {
	if len(set.ordered) == 0 {
		return nil
	}
	set.issued = s.issued
	set.settings = acme.Settings{ACME: t.ACME}
	directory, err := directory(t, "acme")
	switch {
	case t.Storage != config.StorageInStore && err != nil:
		return err
	case t.Storage != config.StorageInStore:
		set.settings.Directory = directory
	case s.shared == nil:
		return errors.New("tls: {storage: store} needs a store")
	case err == nil: // without a state directory there is no copy
		set.settings.LocalCache = directory
	}
	if current := s.current.Load(); current.manager != nil && current.settings == set.settings {
		set.manager = current.manager
		return nil
	}
	o := &acme.Options{Log: s.log, Changed: s.showAgain, Jitter: rand.Float64, Ordered: s.countOrder}
	if s.shared != nil {
		o.Shared = s.shared
	}
	set.manager, err = acme.New(set.settings, o)
	return err
}

func (s *Source) countOrder(ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	s.metrics().orders.WithLabelValues(result).Inc()
}

// showAgain exports what a manager has changed.
func (s *Source) showAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metrics().show(s.current.Load().status())
}

// issued returns the certificate that was ordered for a name, or nil.
func (s *Source) issued(name string) *tls.Certificate {
	if m := s.current.Load().manager; m != nil {
		if c := m.Certificate(name); c != nil {
			return c
		}
	}
	if m := s.previous.Load(); m != nil {
		return m.Certificate(name)
	}
	return nil
}

// ServesPlainHTTP says whether a listener speaks plain HTTP, so that an authority can validate names over it.
func (s *Source) ServesPlainHTTP(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plainHTTP = yes
	if m := s.current.Load().manager; m != nil {
		m.ServesPlainHTTP(yes)
	}
}

// ServeChallenge answers the request of an authority that validates a name. It returns false, and has written nothing, for
// any other request.
func (s *Source) ServeChallenge(w http.ResponseWriter, r *http.Request) bool {
	m := s.current.Load().manager
	return m != nil && m.ServeChallenge(w, r)
}

// start runs a manager until stop is called.
func start(ctx context.Context, m *acme.Manager, done *sync.WaitGroup) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	done.Go(func() { m.Run(ctx) })
	return stop
}

// runManagers runs the manager of the set in use until ctx ends. An order of the manager before ends at once.
func (s *Source) runManagers(ctx context.Context) {
	var running *acme.Manager
	var done sync.WaitGroup
	stop := func() {}
	defer func() { stop(); done.Wait() }()
	for {
		if m := s.current.Load().manager; m != running {
			stop()
			running = m
			stop = func() {}
			if m != nil {
				stop = start(ctx, m, &done)
			}
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}
