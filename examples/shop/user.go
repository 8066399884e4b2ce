package shop

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// User is a registered customer or admin.
type User struct {
	ID           string
	Name         string
	PasswordHash []byte
	Admin        bool // may set prices
}

// Users stores the users.
type Users interface {
	// Add returns ErrNameTaken when another user has the name.
	Add(context.Context, User) error
	// ByName returns ErrNotFound when no user has the name.
	ByName(ctx context.Context, name string) (User, error)
	// Profile returns ErrNotFound when no user has the id.
	Profile(ctx context.Context, id string) (Profile, error)
}

// Profile is the part of a user that the customer sees. It has no password hash, so it may be cached.
type Profile struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Admin bool   `json:"admin"`
}

// AddAdmin registers an admin. If the name exists, from an earlier start or from another node, it does nothing.
func (s *Shop) AddAdmin(ctx context.Context, name, password string) error {
	_, err := s.addUser(ctx, credentials{name, password}, true)
	if errors.Is(err, ErrNameTaken) {
		return nil
	}
	return err
}

type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{2,63}$`)

func (c credentials) validate() error {
	if !validName.MatchString(c.Name) {
		return refuse(http.StatusUnprocessableEntity,
			"name must have 3 to 64 characters out of a-z 0-9 . _ @ + - and begin with a letter or digit")
	}
	if len(c.Password) < minPassword || len(c.Password) > maxPassword {
		return refuse(http.StatusUnprocessableEntity, "password must have %d to %d bytes", minPassword, maxPassword)
	}
	return nil
}

func (s *Shop) addUser(ctx context.Context, c credentials, admin bool) (User, error) {
	if err := c.validate(); err != nil {
		return User{}, err
	}
	// This check saves the hash when the name is taken. Add decides between two concurrent registrations.
	if _, err := s.state.Users.ByName(ctx, c.Name); err == nil {
		return User{}, ErrNameTaken
	} else if !errors.Is(err, ErrNotFound) {
		return User{}, err
	}
	hash, err := s.password.hash(c.Password)
	if err != nil {
		return User{}, err
	}
	user := User{ID: rand.Text(), Name: c.Name, PasswordHash: hash, Admin: admin}
	return user, s.state.Users.Add(ctx, user)
}

func (s *Shop) register(w http.ResponseWriter, r *http.Request) error {
	var c credentials
	if err := readJSON(w, r, &c); err != nil {
		return err
	}
	user, err := s.addUser(r.Context(), c, false)
	if err != nil {
		return err
	}
	return s.welcome(w, r, http.StatusCreated, user)
}

func (s *Shop) login(w http.ResponseWriter, r *http.Request) error {
	var c credentials
	if err := readJSON(w, r, &c); err != nil {
		return err
	}
	user, err := s.state.Users.ByName(r.Context(), c.Name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	// The hash is also computed for an unknown name: the response time must not reveal which names exist.
	if !s.password.matches(user.PasswordHash, c.Password) {
		return refuse(http.StatusUnauthorized, "name or password is wrong")
	}
	return s.welcome(w, r, http.StatusOK, user)
}

// welcome logs the user in: a program gets a token in the body, a browser gets a cookie and keeps the guest's cart.
func (s *Shop) welcome(w http.ResponseWriter, r *http.Request, status int, user User) error {
	c := customer{ID: user.ID, Name: user.Name, Admin: user.Admin}
	if err := s.adoptCart(w, r, c); err != nil {
		return err
	}
	token, err := s.tokens.sign(user)
	if err != nil {
		return err
	}
	if err := s.state.Logins.Begin(w, r, c); err != nil {
		return err
	}
	return writeJSON(w, status, map[string]any{
		"id": user.ID, "name": user.Name, "admin": user.Admin,
		"token": token, "token_type": "Bearer", "expires_in": int(s.tokens.ttl.Seconds()),
	})
}

func (s *Shop) showProfile(w http.ResponseWriter, r *http.Request) error {
	customer, err := s.customer(r)
	if err != nil {
		return err
	}
	profile, err := s.state.Users.Profile(r.Context(), customer.ID)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, profile)
}

// visitor returns the customer of a request, or nil for a guest. A token in the header must be valid. A browser with an invalid
// cookie, for example an expired one, is a guest.
func (s *Shop) visitor(r *http.Request) (*customer, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		c, err := s.tokens.verify(token)
		if err != nil || !strings.EqualFold(scheme, "Bearer") {
			return nil, refuse(http.StatusUnauthorized, "the token is invalid or has expired: log in again")
		}
		return c, nil
	}
	return s.state.Logins.Of(r)
}

// customer is like visitor, but returns an error for a guest.
func (s *Shop) customer(r *http.Request) (*customer, error) {
	c, err := s.visitor(r)
	if err == nil && c == nil {
		err = refuse(http.StatusUnauthorized, "log in first")
	}
	return c, err
}

// setCookie sets a cookie that scripts cannot read and other sites cannot send. A negative age deletes it. With
// age 0 it ends with the browser.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: isHTTPS(r),
	})
}

// isHTTPS trusts the header from every client. That is harmless: a client that forges it only loses its own cookies on plain HTTP.
func isHTTPS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
