package shop

import (
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

const (
	minPassword = 8
	maxPassword = 72 // bcrypt reads no further
)

// passwords hashes passwords with bcrypt.
type passwords struct {
	cost  int
	dummy []byte // compared when the user does not exist, so that the response takes as long
}

func newPasswords(cost int) (*passwords, error) {
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return nil, fmt.Errorf("password cost %d is not within %d to %d", cost, bcrypt.MinCost, bcrypt.MaxCost)
	}
	p := &passwords{cost: cost}
	var err error
	p.dummy, err = p.hash("not a password")
	return p, err
}

func (p *passwords) hash(password string) ([]byte, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// matches reports whether hash was made from password, in constant time. A nil hash matches nothing and takes as long.
func (p *passwords) matches(hash []byte, password string) bool {
	against := hash
	if against == nil {
		against = p.dummy
	}
	err := bcrypt.CompareHashAndPassword(against, []byte(password))
	return hash != nil && err == nil && len(password) <= maxPassword
}
