package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Notes returns settings that are allowed but probably not meant, or that have a cost that is easy to miss. Notes have no line,
// because a Config does not know the file that it was read from.
func (c *Config) Notes() []Problem {
	n := slices.Clone(notes(c.procfile))
	if token := c.Admin.Token; token != "" && len(token) < 16 {
		n.add("admin.token", "openssl rand -hex 16", "is short enough to guess: it has fewer than 16 characters")
	}
	if c.storeVariable {
		n.add("store", "store: none, or another URL, in the file or with --store", "is that of the environment variable %s: %s",
			StoreVariable, maskStore(c.Store))
	}
	for _, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			n.add("trusted_proxies", "name the networks of your own proxies", "trusts every peer: any client can claim any address")
		}
	}
	if c.TLS != nil {
		n.tls(c, time.Now())
	}
	if c.JWT != nil && c.JWT.Secret != "" {
		n.add("jwt.secret", "where you can, let the issuer sign with EdDSA or ES256, and give keys",
			"everybody who can check tokens can also make them: each service that knows the secret can act as every user")
	}
	for i := range c.Services {
		n.service(&c.Services[i])
	}
	for i := range c.Routes {
		for _, p := range routePolicies {
			if p.note != nil {
				p.note(&n, at("routes", i), &c.Routes[i], c)
			}
		}
	}
	return n
}

type notes []Problem

func (n *notes) add(path, hint, format string, args ...any) {
	*n = append(*n, strictyaml.ProblemAt(path, wrong(hint, format, args...)))
}

func (n *notes) service(s *Service) {
	path := "services." + s.Name
	if s.MaxNodes > s.MinNodes && s.startNodes == 0 {
		n.add(path+".nodes", "", "this version does not scale automatically: it runs %d", s.MinNodes)
	}
	if s.Kind() == Owned {
		if m := assignment.FindStringSubmatch(s.Run[0]); m != nil {
			n.add(at(path+".run", 0), "env: {"+m[1]+": VALUE}, and run begins with the program; or run: [env, "+m[1]+"=VALUE, PROGRAM]",
				"%s= is taken for the program: no shell reads run", m[1])
		}
	}
	if s.Kind() == Owned && !slices.Contains(shells, filepath.Base(s.Run[0])) {
		for i, arg := range s.Run {
			rest := arg
			if !s.Worker && i > 0 {
				rest = portVariable.ReplaceAllString(arg, "")
			}
			if variable.MatchString(rest) {
				n.add(at(path+".run", i), `to use it as an argument, let a shell start the program: [sh, -c, "exec PROGRAM --level $LEVEL"]`,
					"%s stays as it is: no shell reads run, and the environment is handed to the program", quote(arg))
			}
		}
	}
	if s.TLS != nil && !s.TLS.Verify {
		n.add(path+".tls.verify", "ca: ca.pem accepts the certificates of your own authority; server_name if the name differs",
			"accepts every certificate: an attacker on the network can read and change all requests")
	}
	n.environment(s)
	n.nodeLimits(s)
	if s.Worker {
		return // nothing below applies: no request reaches it
	}
	if s.Probe.Timeout > s.Probe.Interval && !s.Probe.Off {
		n.add(path+".probe.timeout", "", "%s is more than interval, %s: a hung node is probed only every %s",
			printDuration(s.Probe.Timeout), printDuration(s.Probe.Interval), printDuration(s.Probe.Interval+s.Probe.Timeout))
	}
	if s.Balance.Picker == PickWeighted && len(s.Weights) == 0 {
		n.add(path+".balance", "nodes: [{address: 10.0.0.1:8080, weight: 3}, ...]", "weighted is round-robin here: all weights are equal")
	}
	if s.Sticky != "" {
		n.add(path+".sticky", "keep the state in the shared store (REDIS_URL): then every node can serve every visitor",
			"hides state that is kept in a node: when that node stops, its visitors lose the state; "+
				"a node that is added under load gets new visitors only")
	}
	if s.Retry.TryTimeout > s.Timeout {
		n.add(path+".retry.try_timeout", "", "%s never ends a try: timeout, %s, comes first",
			printDuration(s.Retry.TryTimeout), printDuration(s.Timeout))
	}
	if s.Limit.Wait >= s.Timeout && s.Limit.Queue > 0 {
		n.add(path+".limit.wait", "", "%s in the queue uses up the whole timeout, %s",
			printDuration(s.Limit.Wait), printDuration(s.Timeout))
	}
}

var (
	shells = []string{"sh", "bash", "dash", "zsh", "ash", "ksh", "fish"}
	// assignment is a variable in front of a command, as a shell takes it. Its value may be a secret.
	assignment = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)=`)

	// portVariable matches what the fleet replaces in the arguments of a service.
	portVariable = regexp.MustCompile(`\$(?:(PORT|HOST)\b|\{(PORT|HOST)\})`)
	variable     = regexp.MustCompile(`\$(\{[A-Za-z_]|[A-Z_][A-Z0-9_]*)`)
)
