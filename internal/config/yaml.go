package config

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// YAML returns the effective file: every default filled in, in the order of the types, secrets as "***". Without masked secrets
// it parses back to an equal Config. Parse refuses a masked secret, so that "***" never becomes a password.
func (c *Config) YAML() []byte { return c.masked().yaml() }

// File returns the effective file with its secrets, for a process that continues with what runs. It parses to an equal
// Config, with any Options, except that variables of files are those that were read, in env, and that the number of nodes
// has only its bounds.
func (c *Config) File() []byte {
	whole := *c
	whole.Services = slices.Clone(c.Services)
	for i := range whole.Services {
		s := &whole.Services[i]
		if len(s.EnvFile) > 0 {
			s.Env, s.EnvFile = s.Environment(), nil
		}
		s.startNodes = 0
	}
	return whole.yaml()
}

func (c *Config) yaml() []byte {
	var b bytes.Buffer
	writeMapping(&b, "", showFields(c.fields()))
	return b.Bytes()
}

// masked returns a copy without secrets.
func (c *Config) masked() *Config {
	m := *c
	if m.Admin.Token != "" {
		m.Admin.Token = mask
	}
	m.Store = maskStore(m.Store)
	if m.JWT != nil && m.JWT.Secret != "" {
		jwt := *m.JWT
		jwt.Secret = mask
		m.JWT = &jwt
	}
	m.Services = slices.Clone(m.Services)
	for i := range m.Services {
		s := &m.Services[i]
		s.Env = maps.Clone(s.Env)
		for name := range s.Env {
			s.Env[name] = mask
		}
		s.Probe.Headers = maskedHeaders(s.Probe.Headers)
		if s.Liveness != nil {
			l := *s.Liveness
			l.Headers = maskedHeaders(l.Headers)
			s.Liveness = &l
		}
	}
	m.Routes = slices.Clone(m.Routes)
	for i := range m.Routes {
		m.Routes[i].maskSecrets()
	}
	return &m
}

func maskedHeaders(headers map[string]string) map[string]string {
	all := maps.Clone(headers)
	for name := range all {
		all[name] = mask
	}
	return all
}

// maskSecrets hides the values of request headers and the hashes of users.
func (r *Route) maskSecrets() {
	r.RequestHeaders = r.RequestHeaders.masked()
	if r.BasicAuth == nil {
		return
	}
	b := *r.BasicAuth
	b.Users = slices.Clone(b.Users)
	for i := range b.Users {
		b.Users[i].Hash = mask
	}
	r.BasicAuth = &b
}

// showMap shows a map in the order of its keys; nil when it is empty.
func showMap(m map[string]string, show func(string) any) any {
	if len(m) == 0 {
		return nil
	}
	var all []shown
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, shown{key, show(m[key])})
	}
	return all
}

func writeMapping(b *bytes.Buffer, indent string, all []shown) {
	for _, s := range all {
		b.WriteString(indent + plain(s.key) + ":")
		switch v := s.value.(type) {
		case string:
			b.WriteString(" " + plain(v) + "\n")
		case []string:
			writeList(b, indent+"  ", v)
		case []shown:
			b.WriteString("\n")
			writeMapping(b, indent+"  ", v)
		case [][]shown:
			b.WriteString("\n")
			for _, item := range v {
				var inner bytes.Buffer
				writeMapping(&inner, indent+"    ", item)
				b.WriteString(indent + "  - ")
				b.Write(bytes.TrimPrefix(inner.Bytes(), []byte(indent+"    ")))
			}
		}
	}
}

// writeList writes a short list on one line and a long one item by item.
func writeList(b *bytes.Buffer, indent string, items []string) {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = plain(item)
	}
	if line := strings.Join(words, ", "); len(line) <= 100 {
		b.WriteString(" [" + line + "]\n")
		return
	}
	b.WriteString("\n")
	for _, w := range words {
		b.WriteString(indent + "- " + w + "\n")
	}
}

// unquoted matches texts that need no quotes. It is narrower than YAML allows. Some of these texts would be a number or a date
// for another reader, but this package reads values as they are written.
var unquoted = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._%@+()=:-]*$`)

// plain quotes a text where necessary. All escapes of Go are valid in YAML.
func plain(s string) string {
	if !unquoted.MatchString(s) || strings.HasSuffix(s, ":") || strings.EqualFold(s, "null") {
		return strconv.Quote(s)
	}
	return s
}
