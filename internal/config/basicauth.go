package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// BasicAuth passes only requests with the name and the password of a user (RFC 7617).
type BasicAuth struct {
	Users []BasicUser // in the file a mapping of names to bcrypt hashes; never shown
	File  string      // lines NAME:HASH as "htpasswd -B" writes them; an absolute path once read
	Realm string      // what browsers show; default "restricted"
	// Authorization says whether the service gets the Authorization field, which has the password: remove or keep;
	// default remove.
	Authorization Authorization
}

// BasicUser is a user of BasicAuth.
type BasicUser struct {
	Name string
	Hash string // of bcrypt
}

// Authorization says what happens to a field that has been checked.
type Authorization string

// What can happen to the Authorization field.
const (
	RemoveAuthorization Authorization = "remove"
	KeepAuthorization   Authorization = "keep"
)

var basicAuthPolicy = routePolicy{
	key: "basic_auth",
	value: func(r *Route) value {
		return omitted{optional[BasicAuth]{p: &r.BasicAuth, fresh: newBasicAuth, fields: (*BasicAuth).fields, short: (*BasicAuth).short},
			func() bool { return r.BasicAuth == nil }}
	},
	fields: func() []field { return newBasicAuth().fields() },
	check: func(v *validation, path string, r *Route, _ *Config) {
		b, at := r.BasicAuth, path+".basic_auth"
		if b == nil || v.broken(at) {
			return
		}
		if r.Auth == AuthJWT {
			v.problem(at, "use two routes", "auth: jwt and basic_auth exclude each other: both read the Authorization field")
		}
		users, err := b.Load()
		switch {
		case err != nil:
			v.problem(at+".file", "htpasswd -nB NAME writes such a line", "%s", err)
		case len(users) == 0:
			v.problem(at, "users: {alice: HASH}, with the hash that htpasswd -nB alice prints", "has no users")
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.BasicAuth == nil {
			return "", ""
		}
		return "on", "basic auth"
	},
}

func newBasicAuth() *BasicAuth {
	return &BasicAuth{Realm: "restricted", Authorization: RemoveAuthorization}
}

func (b *BasicAuth) fields() []field {
	return []field{
		{"users", basicUsers{&b.Users}},
		{"file", optionalFile{&b.File}},
		{"realm", text(&b.Realm, checkRealm)},
		{"authorization", choice(&b.Authorization, "remove, or keep for a service that checks the password again", "what happens to Authorization",
			RemoveAuthorization, KeepAuthorization)},
	}
}

func (b *BasicAuth) short(text string) error {
	return wrong("basic_auth: {file: users.htpasswd}", "%s: want a mapping, found a single value", quote(text))
}

func checkRealm(s string) error {
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return wrong("a few words without quotes", "%s is not a realm", quote(s))
	}
	return nil
}

const maxUsers = 10_000

// basicUsers is a mapping of names to hashes, or a list of NAME:HASH.
type basicUsers struct{ p *[]BasicUser }

func (u basicUsers) read(r *reader, n strictyaml.Value) {
	add := func(at strictyaml.Value, name, hash string) {
		if err := checkBasicUser(*u.p, name, hash); err != nil {
			r.Problem(at, err)
			return
		}
		*u.p = append(*u.p, BasicUser{name, hash})
	}
	if n.IsList() {
		for _, item := range r.List(n) {
			var line string
			secret{&line}.read(r, item)
			if name, hash, ok := strings.Cut(line, ":"); ok {
				add(item, name, hash)
			} else if !r.Broken(item.Path) {
				r.Problem(item, wrong("NAME:HASH, as htpasswd -nB NAME prints it", "is not a user"))
			}
		}
		return
	}
	for _, k := range r.Mapping(n, "a mapping of names to bcrypt hashes") {
		var hash string
		if (secret{&hash}).read(r, k.Value); !r.Broken(k.Value.Path) {
			add(k.Value, k.Key, hash)
		}
	}
}

func (u basicUsers) show() any {
	var all []shown
	for _, user := range *u.p {
		all = append(all, shown{user.Name, secret{&user.Hash}.show()})
	}
	if all == nil {
		return nil
	}
	return all
}

// bcryptHash is the form of a hash. $2x$ is not accepted: it marks hashes of an implementation with a fault.
var bcryptHash = regexp.MustCompile(`^\$2[aby]?\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// maxBcryptCost bounds the time of one check: each step doubles it, and 15 takes about two seconds.
const maxBcryptCost = 15

// checkBasicUser never quotes a hash.
func checkBasicUser(others []BasicUser, name, hash string) error {
	m := bcryptHash.FindStringSubmatch(hash)
	switch {
	case name == "" || len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r == 0x7f }):
		return wrong("a name without colons and spaces, of at most 128 characters", "%s is not a name of a user", quote(name))
	case len(others) >= maxUsers:
		return wrong("", "more than %d users", maxUsers)
	case slices.ContainsFunc(others, func(u BasicUser) bool { return u.Name == name }):
		return wrong("", "there are two users with the name %s", quote(name))
	case hash == mask:
		return wrong("write the real hash", "the hash is masked (***)")
	case m == nil:
		return wrong("htpasswd -nB "+name+" prints one", "the hash of %s is not one of bcrypt", quote(name))
	}
	if cost, _ := strconv.Atoi(m[1]); cost < 4 || cost > maxBcryptCost {
		return wrong("htpasswd -nB -C 10 "+name, "the hash of %s has the cost %d: from 4 to %d", quote(name), cost, maxBcryptCost)
	}
	return nil
}

// Load returns the users of the list and of the file. It fails when the file cannot be read or has a line that is no user.
func (b *BasicAuth) Load() ([]BasicUser, error) {
	users := slices.Clone(b.Users)
	if b.File == "" {
		return users, nil
	}
	data, err := usertext.ReadFile(b.File, strictyaml.MaxFile)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("line %d is not NAME:HASH", number)
		}
		if err := checkBasicUser(users, name, hash); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		users = append(users, BasicUser{name, hash})
	}
	return users, nil
}
