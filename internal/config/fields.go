package config

import "time"

// The tables list every key of the file, in the order of the structs. The numbers are the smallest and the largest accepted
// value. The ranges are wide: they exist to find a wrong unit or digit.

func (c *Config) fields() []field {
	return []field{
		{"listen", list[string]{p: &c.Listen, parse: parseListen, print: word, most: 64}},
		{"admin", block{fields: c.Admin.fields(), short: c.Admin.short}},
		{"tls", gatewayTLS{&c.TLS}},
		{"h2c", toggle(&c.H2C)},
		{"proxy_protocol", prefixes(&c.ProxyProtocol)},
		{"trusted_proxies", prefixes(&c.TrustedProxies)},
		{"forwarded", block{fields: c.Forwarded.fields()}},
		{"store", text(&c.Store, checkStore)},
		{"drain", duration(&c.Drain, 0)},
		{"log", block{fields: c.Log.fields(), short: c.Log.short}},
		{"error_pages", errorPages{&c.ErrorPages}},
		{"expose", choice(&c.Expose, exposeHint, "something to expose", ExposeNothing, ExposeNode)},
		{"limits", block{fields: c.Limits.fields()}},
		{"services", services{&c.Services}},
		{"jwt", optional[JWT]{p: &c.JWT, fresh: newJWT, fields: (*JWT).fields}},
		{"routes", routes{&c.Routes}},
	}
}

func (f *Forwarded) fields() []field {
	const hint = "x-forwarded: X-Forwarded-For and its siblings; forwarded: Forwarded (RFC 7239)"
	return []field{
		{"read", choice(&f.Read, "auto, or "+hint, "a family of fields to read", ForwardedAuto, ForwardedX, ForwardedStandard)},
		{"write", choice(&f.Write, "both, or "+hint, "a family of fields to write", ForwardedBoth, ForwardedX, ForwardedStandard)},
	}
}

func (a *Admin) fields() []field {
	return []field{
		{"listen", scalar[string]{&a.Listen, parseAdminListen, word}},
		{"token", secret{&a.Token}},
	}
}

func (a *Admin) short(text string) (err error) {
	a.Listen, err = parseAdminListen(text)
	return err
}

func (l *Limits) fields() []field {
	return []field{
		{"header_bytes", size(&l.HeaderBytes, 1<<10, 1<<20)},
		{"header_lines", whole(&l.HeaderLines, 8, 10_000)},
		{"uri_bytes", size(&l.URIBytes, 256, 1<<20)},
		{"header_timeout", duration(&l.HeaderTimeout, time.Millisecond)},
		{"body_bytes", size(&l.BodyBytes, 0, 1<<50)},
		{"body_grace", duration(&l.BodyGrace, 0)},
		{"body_rate", size(&l.BodyRate, 0, 1<<30)},
		{"write_timeout", duration(&l.WriteTimeout, time.Millisecond)},
		{"idle_timeout", duration(&l.IdleTimeout, time.Millisecond)},
		{"connections", whole(&l.Connections, 0, 10_000_000)},
		{"connections_per_client", whole(&l.ConnectionsPerClient, 0, 1_000_000)},
		{"underscores", toggle(&l.Underscores)},
	}
}

func (s *Service) fields() []field {
	return append([]field{
		{"run", command{&s.Run}},
		{"dir", directory{&s.Dir}},
		{"env", environment{s}},
		{"env_file", envFiles{s}},
		{"nodes", nodes{s}},
		{"tls", nodeTLS{&s.TLS}},
		{"probe", block{fields: s.Probe.fields(), off: &s.Probe.Off, short: s.Probe.short}},
		{"outlier", block{fields: s.Outlier.fields(), off: &s.Outlier.Off}},
		{"balance", scalar[Balance]{&s.Balance, parseBalance, Balance.String}},
		{"sticky", scalar[string]{&s.Sticky, parseSticky, printSticky}},
		{"limit", block{fields: s.Limit.fields(), short: s.Limit.short}},
		{"retry", block{fields: s.Retry.fields(), short: s.Retry.short}},
		{"breaker", block{fields: s.Breaker.fields(), off: &s.Breaker.Off}},
		{"response", block{fields: s.Response.fields()}},
		{"slow_start", duration(&s.SlowStart, 0)},
		{"drain", duration(&s.Drain, 0)},
		{"timeout", duration(&s.Timeout, time.Millisecond)},
		{"idle_timeout", duration(&s.IdleTimeout, 10*time.Millisecond)},
		{"upgrade", upgrades{&s.Upgrade}},
		{"replace_after", replaceAfter(&s.ReplaceAfter)},
		{"liveness", liveness{&s.Liveness}},
		{"resources", block{fields: s.Resources.fields()}},
		{"user", optionalText{&s.User, checkUser}},
	}, s.startupFields()...)
}

func (t *NodeTLS) fields() []field {
	return []field{
		{"server_name", optionalText{&t.ServerName, checkServerName}},
		{"ca", optionalFile{&t.CA}},
		{"cert", optionalFile{&t.Cert}},
		{"key", optionalFile{&t.Key}},
		{"verify", toggle(&t.Verify)},
	}
}

func (p *Probe) fields() []field {
	return []field{
		{"path", text(&p.Path, checkProbePath)},
		{"interval", duration(&p.Interval, 10*time.Millisecond)},
		{"timeout", duration(&p.Timeout, time.Millisecond)},
		{"rise", whole(&p.Rise, 1, 100)},
		{"fall", whole(&p.Fall, 1, 100)},
		{"status", list[StatusRange]{p: &p.Status, parse: parseStatus, print: StatusRange.String, most: 100}},
		{"body", text(&p.Body, checkProbeBody)},
		{"method", scalar[string]{&p.Method, parseMethod, word}},
		{"host", optionalText{&p.Host, checkProbeHost}},
		{"headers", probeHeaders{&p.Headers}},
	}
}

func (p *Probe) short(text string) error {
	if err := checkProbePath(text); err != nil {
		return wrong(`a path such as /readyz, or "off", or a mapping`, "%s", err)
	}
	p.Path = text
	return nil
}

func (o *Outlier) fields() []field {
	return []field{
		{"failures", whole(&o.Failures, 1, 10_000)},
		{"success_rate", number(&o.SuccessRate, 0, 10)},
		{"interval", duration(&o.Interval, 100*time.Millisecond)},
		{"min_requests", whole(&o.MinRequests, 1, 1_000_000)},
		{"eject", duration(&o.Eject, time.Millisecond)},
		{"max_eject", duration(&o.MaxEject, time.Millisecond)},
		{"max_share", share(&o.MaxShare, 0)},
		{"panic", share(&o.Panic, 0)},
	}
}

func (l *Limit) fields() []field {
	return []field{
		{"in_flight", whole(&l.InFlight, 0, 1_000_000)},
		{"queue", whole(&l.Queue, 0, 1_000_000)},
		{"wait", duration(&l.Wait, 0)},
	}
}

func (l *Limit) short(text string) (err error) {
	l.InFlight, err = parseWhole(text, 0, 1_000_000)
	return err
}

func (r *Retry) fields() []field {
	return []field{
		{"tries", whole(&r.Tries, 1, 10)},
		{"budget", share(&r.Budget, 0)},
		{"try_timeout", duration(&r.TryTimeout, 0)},
		{"body_bytes", size(&r.BodyBytes, 0, 64<<20)},
	}
}

func (r *Retry) short(text string) error {
	if text != "off" {
		return wrong(`"off", or a mapping: {tries: 2}`, "%s is not a value of retry", quote(text))
	}
	r.Tries = 1
	return nil
}

func (b *Breaker) fields() []field {
	return []field{
		{"failure_rate", share(&b.FailureRate, 0.01)},
		{"min_requests", whole(&b.MinRequests, 1, 1_000_000)},
		{"window", duration(&b.Window, 100*time.Millisecond)},
		{"open", duration(&b.Open, 10*time.Millisecond)},
	}
}

func (r *Response) fields() []field {
	return []field{
		{"header_bytes", size(&r.HeaderBytes, 1<<10, 16<<20)},
		{"header_lines", whole(&r.HeaderLines, 8, 100_000)},
	}
}

func (r *Route) fields() []field {
	all := []field{
		{"host", host{&r.Host}},
		{"path", text(&r.Path, checkRoutePath)},
		{"methods", list[string]{p: &r.Methods, parse: parseMethod, print: word, most: 32, omit: true}},
		{"headers", headers{&r.Headers}},
		{"to", optionalText{&r.To, func(string) error { return nil }}},
	}
	for _, p := range routePolicies {
		all = append(all, field{p.key, p.value(r)})
	}
	return all
}

// table is one mapping of the file.
type table struct {
	path   string // without the names of services and the indexes of lists: "services.NAME.probe", "routes"
	name   string // in hints
	fields []field
}

// tables lists the mappings of the file.
func tables() []table {
	var c Config
	var s Service
	named := func(path string, fields []field) table { return table{path, path, fields} }
	all := []table{
		{"", "the top of the file", c.fields()},
		named(servicePath, s.fields()),
		{"routes", "a route", (&Route{}).fields()},
		named("forwarded", c.Forwarded.fields()),
		named("admin", c.Admin.fields()),
		named("tls", newTLS().fields()),
		named("tls.certificates", (&KeyPair{}).fields()),
		named("tls.acme", newTLS().ACME.fields()),
		named("limits", c.Limits.fields()),
		named("log", c.Log.fields()),
		named(servicePath+".tls", newNodeTLS().fields()),
		named(servicePath+".probe", s.Probe.fields()),
		named(servicePath+".outlier", s.Outlier.fields()),
		named(servicePath+".limit", s.Limit.fields()),
		named(servicePath+".retry", s.Retry.fields()),
		named(servicePath+".breaker", s.Breaker.fields()),
		named(servicePath+".response", s.Response.fields()),
		named(servicePath+".liveness", livenessFields(newLiveness())),
		named(servicePath+".resources", s.Resources.fields()),
		named("jwt", newJWT().fields()),
	}
	for _, p := range routePolicies {
		if p.fields != nil {
			all = append(all, table{"routes." + p.key, p.key + " of a route", p.fields()})
		}
	}
	return all
}

const servicePath = "services.NAME"
