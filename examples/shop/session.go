package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cart"
	"github.com/tenfold-go/tenfold/kit/session"
)

// sessionLogins stores logins as sessions in Redis. So every node knows them, and a logout on one node applies on all nodes.
// Browsers refuse Secure cookies on plain HTTP, so HTTP and HTTPS have different cookies; the store is the same.
type sessionLogins struct{ plain, https *session.Sessions }

// loggedIn is the field of a session with the customer.
var loggedIn = session.NewField[customer]("customer")

func newSessionLogins(client rueidis.Client) (*sessionLogins, error) {
	o := session.Options{
		Cookie: loginCookie, Prefix: "shop:", Timeout: redisWait,
		OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
			writeProblem(w, publicProblem(sessionError(err)))
		},
	}
	https, err := session.New(client, &o)
	if err != nil {
		return nil, err
	}
	o.Insecure = true
	plain, err := session.New(client, &o)
	if err != nil {
		return nil, err
	}
	return &sessionLogins{plain: plain, https: https}, nil
}

func (l *sessionLogins) Middleware(next http.Handler) http.Handler {
	plain, https := l.plain.Middleware(next), l.https.Middleware(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isHTTPS(r) {
			https.ServeHTTP(w, r)
		} else {
			plain.ServeHTTP(w, r)
		}
	})
}

func (l *sessionLogins) Of(r *http.Request) (*customer, error) {
	s := session.From(r.Context())
	id, err := s.User(r.Context())
	if err != nil || id == "" {
		return nil, handled(s, err)
	}
	c, ok, err := loggedIn.Get(r.Context(), s)
	if err != nil || !ok {
		return nil, handled(s, err)
	}
	return &c, nil
}

func (l *sessionLogins) Begin(_ http.ResponseWriter, r *http.Request, c customer) error {
	s := session.From(r.Context())
	err := s.Login(r.Context(), c.ID)
	if errors.Is(err, session.ErrOtherUser) { // another user was logged in in this browser
		if err = s.End(r.Context()); err == nil {
			err = s.Login(r.Context(), c.ID)
		}
	}
	if err == nil {
		err = loggedIn.Set(r.Context(), s, c)
	}
	return handled(s, err)
}

func (l *sessionLogins) End(_ http.ResponseWriter, r *http.Request) error {
	s := session.From(r.Context())
	return handled(s, s.End(r.Context()))
}

func (l *sessionLogins) EndAll(ctx context.Context, id string) error {
	return sessionError(l.plain.RevokeUser(ctx, id))
}

// sessionCarts stores each cart as a Redis hash, shop:cart:{OWNER} -> product -> quantity.
type sessionCarts struct{ carts *cart.Carts }

func newSessionCarts(client rueidis.Client) (sessionCarts, error) {
	carts, err := cart.New(client, &cart.Options{
		MaxLines: maxCartLines, MaxQuantity: maxQuantity, TTL: cartLife, Timeout: redisWait, Prefix: "shop:",
	})
	return sessionCarts{carts}, err
}

func (c sessionCarts) Quantities(ctx context.Context, owner string) (map[string]int, error) {
	quantities, err := c.carts.Of(owner).Quantities(ctx)
	return quantities, sessionError(err)
}

func (c sessionCarts) Add(ctx context.Context, owner, product string, n int, op string) error {
	_, err := c.carts.Of(owner).Add(ctx, product, n, op)
	return sessionError(err)
}

func (c sessionCarts) Remove(ctx context.Context, owner, product, op string) error {
	return sessionError(c.carts.Of(owner).Remove(ctx, product, op))
}

func (c sessionCarts) Merge(ctx context.Context, owner, guest string) error {
	_, err := c.carts.Of(owner).Merge(ctx, c.carts.Of(guest))
	return sessionError(err)
}

func (c sessionCarts) Take(ctx context.Context, owner string, bought map[string]int, order string) error {
	return sessionError(c.carts.Of(owner).RemoveOrdered(ctx, bought, order))
}

// handled returns an error to the handler, which responds to it. So the session middleware must not respond itself.
func handled(s *session.Session, err error) error {
	if err != nil {
		s.IgnoreStoreError()
	}
	return sessionError(err)
}

// sessionError converts an error of package session or cart to one of the shop.
func sessionError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, session.ErrUnavailable), errors.Is(err, cart.ErrUnavailable):
		return unavailable("use session store", err)
	case errors.Is(err, session.ErrLimit), errors.Is(err, cart.ErrLimit):
		return ErrCartFull
	case errors.Is(err, session.ErrGone), errors.Is(err, session.ErrReadOnly), errors.Is(err, session.ErrConflict):
		return refuse(http.StatusConflict, "you have just logged in or out in another window, try again")
	}
	return fmt.Errorf("use session store: %w", err)
}
