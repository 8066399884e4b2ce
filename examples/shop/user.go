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

// User is somebody who registered.
type User struct {
	ID           string
	Name         string
	PasswordHash []byte
	Admin        bool // may set prices
}

// Users keeps those who registered.
type Users interface {
	// Add returns ErrNameTaken when another user has the name.
	Add(context.Context, User) error
	// ByName returns ErrNotFound when nobody has the name.
	ByName(ctx context.Context, name string) (User, error)
	// Profile returns ErrNotFound when nobody has the id.
	Profile(ctx context.Context, id string) (Profile, error)
}

// Profile is what customers see of themselves. It has no password hash, so it may be cached.
type Profile struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Admin bool   `json:"admin"`
}

// AddAdmin registers an admin unless the name is taken already, by an earlier start or by another node.
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
	// Asking first spares the hash when the name is taken; Add decides when two ask at once.
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
	// Also for a name that nobody has: the time of the answer must not tell who is a customer.
	if !s.password.matches(user.PasswordHash, c.Password) {
		return refuse(http.StatusUnauthorized, "name or password is wrong")
	}
	return s.welcome(w, r, http.StatusOK, user)
}

// welcome logs in: a program by the token in the body, a browser by a cookie, whose guest's cart is taken along.
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

// visitor returns who sends a request, nil for a guest. A program's token in the header must be good; a browser's cookie
// that is not, such as one that expired, makes a guest.
func (s *Shop) visitor(r *http.Request) (*customer, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		c, err := s.tokens.verify(token)
		if err != nil || !strings.EqualFold(scheme, "Bearer") {
			return nil, refuse(http.StatusUnauthorized, "the token is not valid here, or no longer: log in again")
		}
		return c, nil
	}
	return s.state.Logins.Of(r)
}

// customer is like visitor, for what guests cannot do.
func (s *Shop) customer(r *http.Request) (*customer, error) {
	c, err := s.visitor(r)
	if err == nil && c == nil {
		err = refuse(http.StatusUnauthorized, "log in first")
	}
	return c, err
}

// setCookie sets a cookie that scripts cannot read and other sites cannot send. A negative age deletes it, one of 0 lets it
// end with the browser.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: isHTTPS(r),
	})
}

// isHTTPS believes the header from anybody, which is harmless: who forges it only loses their own cookies on plain HTTP.
func isHTTPS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
