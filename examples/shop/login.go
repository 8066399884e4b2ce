package shop

import (
	"context"
	"net/http"
)

// Logins remembers who is logged in in which browser, by a cookie. Programs need none of it: they send their token with each
// request.
type Logins interface {
	// Middleware is what the requests of the other methods have to come through.
	Middleware(http.Handler) http.Handler
	// Of returns who is logged in, nil for a guest. A store that does not answer is ErrUnavailable, never a guest.
	Of(*http.Request) (*customer, error)
	// Begin logs a customer in, under a new cookie: who knew the one before has nothing of it.
	Begin(http.ResponseWriter, *http.Request, customer) error
	// End logs this browser out, also for who has copied its cookie.
	End(http.ResponseWriter, *http.Request) error
	// EndAll logs a customer out in every browser.
	EndAll(ctx context.Context, id string) error
}

// loginCookie is the name of the cookie; with HTTPS and shared state it gets the prefix "__Host-".
const loginCookie = "shop_session"

// logout ends the login of this browser. A token that was given to a program is good until it expires.
func (s *Shop) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.state.Logins.End(w, r); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// logoutEverywhere is for who lost a phone: all browsers of the customer are logged out, this one too.
func (s *Shop) logoutEverywhere(w http.ResponseWriter, r *http.Request) error {
	customer, err := s.customer(r)
	if err != nil {
		return err
	}
	if err := s.state.Logins.EndAll(r.Context(), customer.ID); err != nil {
		return err
	}
	return s.logout(w, r)
}
