package policy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Passwords checks the passwords of users. bcrypt is slow on purpose, so that passwords that were accepted before are
// remembered, and the number of checks at a time is bounded. It is safe for concurrent use.
type Passwords struct {
	hashes  map[string][]byte // by user
	decoy   []byte            // is compared for a name that no user has, so that the time does not tell the names
	key     []byte            // of this process; remembered credentials cannot be looked up without it
	guesses *Guesses

	mu       sync.Mutex
	accepted map[[sha256.Size]byte]struct{}
}

// maxAccepted limits the remembered credentials. There are at most a few per user, as only correct ones are remembered.
const maxAccepted = 4096

var errWrongPassword = errors.New("wrong name or password")

// NewPasswords returns the Passwords of users, of which there must be one. guesses bounds the checks.
func NewPasswords(users []config.BasicUser, guesses *Guesses) *Passwords {
	p := &Passwords{
		hashes: make(map[string][]byte, len(users)), key: make([]byte, 32), guesses: guesses,
		accepted: make(map[[sha256.Size]byte]struct{}),
	}
	rand.Read(p.key)
	most := -1
	for _, u := range users {
		hash := []byte(u.Hash)
		p.hashes[u.Name] = hash
		if cost, _ := bcrypt.Cost(hash); cost > most {
			most, p.decoy = cost, hash
		}
	}
	return p
}

// Check returns nil for the password of a user. client is charged for a wrong one.
func (p *Passwords) Check(ctx context.Context, client netip.Addr, name, password string) error {
	id := p.identify(name, password)
	if p.wasAccepted(id) {
		return nil
	}
	if err := p.guesses.charge(client); err != nil {
		return err
	}
	if err := p.guesses.begin(ctx); err != nil {
		p.guesses.refund(client) // it was not compared
		return err
	}
	defer p.guesses.end()
	if p.wasAccepted(id) || p.compare(name, password) { // another request may have had the same credentials
		p.guesses.refund(client)
		p.accept(id)
		return nil
	}
	return errWrongPassword
}

// compare takes the same time whether the user exists or not, if all hashes have the same cost.
func (p *Passwords) compare(name, password string) bool {
	hash, known := p.hashes[name]
	if !known {
		hash = p.decoy
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known
}

func (p *Passwords) identify(name, password string) (id [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(name))
	h.Write([]byte{0}) // neither has a NUL
	h.Write([]byte(password))
	h.Sum(id[:0])
	return id
}

func (p *Passwords) wasAccepted(id [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.accepted[id]
	return ok
}

func (p *Passwords) accept(id [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.accepted) >= maxAccepted {
		for other := range p.accepted {
			delete(p.accepted, other)
			break
		}
	}
	p.accepted[id] = struct{}{}
}
