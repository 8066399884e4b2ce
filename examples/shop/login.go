package shop

import (
	"context"
	"net/http"
)

// Logins stores which customer is logged in in which browser, by a cookie. Programs do not use it: they send their token with each
// request.
type Logins interface {
	// Middleware wraps the handlers that use the other methods.
	Middleware(http.Handler) http.Handler
	// Of returns the customer who is logged in, or nil for a guest. When the store does not respond, the error is ErrUnavailable.
	Of(*http.Request) (*customer, error)
	// Begin logs a customer in with a new cookie. The former cookie gives no access to the login.
	Begin(http.ResponseWriter, *http.Request, customer) error
	// End logs this browser out. A copy of its cookie becomes invalid, too.
	End(http.ResponseWriter, *http.Request) error
	// EndAll logs a customer out in every browser.
	EndAll(ctx context.Context, id string) error
}

// loginCookie is the name of the cookie; with HTTPS and shared state it gets the prefix "__Host-".
const loginCookie = "shop_session"

// logout ends the login of this browser. The token of a program stays valid until it expires.
func (s *Shop) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.state.Logins.End(w, r); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// logoutEverywhere logs out all browsers of the customer, including this one.
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
