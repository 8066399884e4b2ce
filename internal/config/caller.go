package config

import (
	"slices"
	"strings"
)

const callerHint = "authorization, ip, header:X-Api-Key, cookie:NAME or all"

func parseCaller(s string) (Caller, error) {
	word, name, named := strings.Cut(s, ":")
	by := CallerBy(word)
	switch needsName := by == CallerByHeader || by == CallerByCookie; {
	case !needsName && !slices.Contains([]CallerBy{CallerByAuthorization, CallerByIP, CallerIsEveryone}, by):
		return Caller{}, wrong(callerHint, "%s is not a kind of caller", quote(s))
	case needsName && !httpToken.MatchString(name):
		return Caller{}, wrong(callerHint, "%s does not name a %s", quote(s), by)
	case !needsName && named:
		return Caller{}, wrong("write "+word, "%s has a name, but %s takes none", quote(s), by)
	}
	return Caller{by, name}, nil
}

// String is the form of the file: "ip", "header:X-Api-Key".
func (c Caller) String() string {
	if c.Name == "" {
		return string(c.By)
	}
	return string(c.By) + ":" + c.Name
}
