// Package config reads tenfold.yaml: strictly, with its defaults filled in, and with every problem reported at once.
//
// The types of config.go are the manual of the file: a field's comment says what it does, its unit and its default. Its
// key in the file is its name in snake_case: HeaderBytes is header_bytes. Unknown keys, keys that come twice and keys
// without a value are problems.
//
// The file is YAML without anchors, aliases, merge keys and tags: it means what it says. Values are read as they are
// written (1.10 stays 1.10, yes stays yes) and have these forms:
//
//	duration   500ms, 2s, 1m30s; from 0 to 24h
//	size       8192, 32KiB, 1MiB: bytes, in powers of 1024
//	share      10% or 0.1
//	switch     true or false, on or off
//	list       [a, b], or a alone
//	address    :8080, 127.0.0.1:8080, [::1]:8080, localhost:8080; port 0 takes a free one
//	network    10.0.0.0/8, or an IP address alone
//	rate       100/s, 600/m, 1000/h
//	path       relative to the directory of the file
//
// "${NAME}" reads the environment variable NAME in admin.token and in the values of env, and nowhere else; a variable that
// is not set is a problem. "$${" is a plain "${" there.
package config

import (
	"net/netip"
	"time"
)

// Config is a whole tenfold.yaml with its defaults filled in.
type Config struct {
	Listen         []string       // addresses that the gateway listens on; a single string is fine too; default ":8080"
	Admin          Admin          // the admin address: metrics, JSON API; a single string is its listen address
	TLS            *TLS           // certificate files; nil, in the file "off", means plain HTTP
	H2C            bool           // accept HTTP/2 without TLS (prior knowledge); default false
	ProxyProtocol  []netip.Prefix // peers whose PROXY protocol header (v1, v2) is required and believed; default none
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-* and Forwarded are believed; default none
	Store          string         // "auto", "none" or a redis:// or rediss:// URL, its password never shown; default "auto"
	Drain          time.Duration  // how long old requests may finish when a node or tenfold stops; default 30s
	Limits         Limits         // what a downstream may send
	Services       []Service      // in the order of the file
	JWT            *JWT           // the tokens of routes with auth: jwt; nil, in the file "off", for none
	Routes         []Route        // in the order of the file; default: "/" to the only service; needed when there are several
}

// Admin is the address of the console.
type Admin struct {
	Listen string // default "127.0.0.1:9090"; "off" for none
	Token  string // required when Listen is not loopback; sent as "Authorization: Bearer"; may be "${NAME}"; never shown
}

// TLS names the certificate of the gateway. Both files must exist and belong together.
type TLS struct {
	Cert string // PEM file, leaf first; an absolute path once read
	Key  string // PEM file, unencrypted; an absolute path once read
}

// Limits bound what a downstream may send and how slowly.
type Limits struct {
	HeaderBytes   int           // request line and headers together; default 32KiB
	HeaderLines   int           // default 128
	URIBytes      int           // default 8KiB
	HeaderTimeout time.Duration // from the first byte of a request to the end of its headers; default 10s
	BodyBytes     int64         // largest request body; default 0: no limit
	BodyGrace     time.Duration // how long a body may take before BodyRate counts; default 20s
	BodyRate      int           // bytes per second that a body must then average; default 500; 0 for no minimum
	WriteTimeout  time.Duration // how long one write to the downstream may stall; default 60s
	IdleTimeout   time.Duration // how long a connection may wait for its next request; default 75s
	Underscores   bool          // let header names with "_" through; default false: they are dropped
}

// Service is a named program: one that the fleet runs (Run), or one that runs elsewhere (Addresses). In the file services is
// a mapping of names to services; a name is a DNS label that starts with a letter.
type Service struct {
	Name string
	// Run is the command and its arguments: run: [shop, serve]. A node is told where to listen by PORT and HOST.
	// A text, run: shop serve, is split at its spaces; it may not have quotes or other signs that mean something to a
	// shell, because no shell reads it. Who wants one says so: run: [sh, -c, "exec shop --port $PORT"].
	Run       []string
	Dir       string            // working directory of Run; default: the directory of the file; an absolute path once read
	Env       map[string]string // added to the environment of Run; "${NAME}" reads tenfold's own; not PORT, HOST, TENFOLD_*; never shown
	MinNodes  int               // nodes: N or MIN..MAX, up to 1000; default 2; 0 beside Addresses
	MaxNodes  int               // equals MinNodes for a plain N
	Addresses []string          // nodes: [host:port, ...]; excludes Run
	Weights   []int             // nodes: [{address: host:port, weight: 3}, ...]; beside Addresses; nil means equal weights
	Worker    bool              // set when no route leads to a service with Run: it gets no PORT and is ready when it runs

	Probe     Probe
	Outlier   Outlier
	Balance   Balance
	Sticky    string        // name of a cookie that pins a visitor to a node; default "off": it hides state that dies with a node
	Limit     Limit         // requests in flight per node and the queue in front; a number alone is InFlight
	Retry     Retry         // "off" is tries: 1
	Breaker   Breaker       //
	SlowStart time.Duration // how long a new node takes to get its full share; default 10s; 0 for at once
	Drain     time.Duration // default: Config.Drain
	Timeout   time.Duration // from the last byte of the request to the response's header, over all tries; default 60s
}

// Probe is the active check: GET Path on each node. "off" means that a node counts as ready while it accepts connections; a
// path alone, probe: /readyz, is Path.
type Probe struct {
	Off      bool
	Path     string        // may have a query; default "/"
	Interval time.Duration // default 2s, with 10 % jitter
	Timeout  time.Duration // default 1s
	Rise     int           // successes in a row that make a node ready; default 1
	Fall     int           // failures in a row that take it out; default 3
	Status   []StatusRange // what counts as success; default 200..399
	Body     string        // a substring that the first 64 KiB of the body must have; default none
}

// StatusRange is an inclusive range of HTTP status codes: 200, 200..299 or 2xx in the file.
type StatusRange struct{ From, To int }

// Outlier is the passive check: nodes that fail live requests are ejected for a growing time. "off" switches it off.
type Outlier struct {
	Off         bool
	Failures    int           // consecutive failures (no answer, or 502, 503, 504) that eject a node; default 5
	SuccessRate float64       // standard deviations under the fleet's mean success rate that eject a node; default 1.9; 0 is off
	Interval    time.Duration // over which the success rate is measured; default 10s
	MinRequests int           // requests per node and interval without which the success rate says nothing; default 100
	Eject       time.Duration // length of the first ejection; each further one is longer by as much; default 10s
	MaxEject    time.Duration // longest ejection; default 5m
	MaxShare    float64       // share of the nodes that may be ejected at once, at least one of two; default 0.5 ("50%")
	Panic       float64       // when fewer than this share of nodes pass their probe, probes are disbelieved; default 0: never
}

// Balance names the picker: round-robin, weighted, least-conn, p2c, hash(header:X-User), hash(cookie:id), hash(ip) or
// hash(path) in the file; default p2c.
type Balance struct {
	Picker Picker
	By     HashBy // for hash: what is hashed
	Name   string // for hash by header or cookie: its name
}

// Picker names the algorithm that chooses a node for each request.
type Picker string

// The pickers.
const (
	PickRoundRobin Picker = "round-robin"
	PickWeighted   Picker = "weighted"
	PickLeastConn  Picker = "least-conn"
	PickP2C        Picker = "p2c"
	PickHash       Picker = "hash"
)

// HashBy names the part of a request that the picker "hash" goes by.
type HashBy string

// The parts of a request that can be hashed.
const (
	HashByHeader HashBy = "header"
	HashByCookie HashBy = "cookie"
	HashByIP     HashBy = "ip"
	HashByPath   HashBy = "path"
)

// Limit bounds the requests in flight.
type Limit struct {
	InFlight int           // per node; default 1024; 0 for no limit
	Queue    int           // requests that may wait for a node; default 1024
	Wait     time.Duration // how long they may wait; default 1s
}

// Retry says when a request is sent again.
type Retry struct {
	Tries      int           // at most this many tries per request, the first included; default 3; 1 switches retries off
	Budget     float64       // retries as a share of the requests of the last ten seconds; default 0.1 ("10%")
	TryTimeout time.Duration // for the response header of one try; default 0: only Service.Timeout
	BodyBytes  int           // a body up to this size is kept for a replay; default 64KiB
}

// Breaker opens when too much of a service's answers fail, so that callers are answered at once. "off" switches it off.
type Breaker struct {
	Off         bool
	FailureRate float64       // share of tries that must fail; default 0.5 ("50%")
	MinRequests int           // tries in the window without which it stays closed; default 20
	Window      time.Duration // default 10s
	Open        time.Duration // how long it stays open before it lets a trial through; default 5s
}

// Route leads requests to a service. Of all routes that match, the one with an exact host wins over a wildcard over none,
// then the longest path, then the most conditions, then the first in the file.
type Route struct {
	Host    string            // "shop.example", "*.shop.example" or empty for all; lower case, without a port
	Path    string            // decoded, a prefix at segment boundaries: "/api" matches /api and /api/x, not /apix; default "/"
	Methods []string          // upper case; default all
	Headers map[string]string // by canonical name, a value to equal, or "*" for present; default none
	To      string            // the service

	// Auth "jwt" accepts only requests with a bearer token that Config.JWT accepts; default "off".
	Auth        Auth
	RateLimit   *RateLimit   // "off", or a rate alone: rate_limit: 100/s; default "off"
	Idempotency *Idempotency // "off", or a mode alone: idempotency: required; default "off"
}

// Auth names how a request is authenticated.
type Auth string

// The ways to authenticate a request.
const (
	AuthOff Auth = "off"
	AuthJWT Auth = "jwt"
)

// JWT says which bearer tokens (RFC 7519) are accepted. Algorithms, Keys, Issuer and Audience have no default: what is not
// said is not checked by guess. There are no shared secrets (HS256): who can check such a token can also make one.
type JWT struct {
	Algorithms []string      // of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512; a token with another is refused
	Keys       string        // a JWKS (RFC 7517): an https:// URL (http:// on loopback only), or a file; or a file of PEM public keys
	Issuer     string        // "iss", to the letter
	Audience   []string      // one of them is in "aud"; "any" alone does not look at it
	Leeway     time.Duration // how far the clocks of issuer and gateway may be apart; default 30s
	Refresh    time.Duration // how often Keys is read again; default 5m
	Refetch    time.Duration // a token with an unknown key makes us read Keys again, once in this time at most; default 30s
}

// Caller says whose requests count together.
//
//	authorization   the subject of a token that auth: jwt has accepted, else the Authorization field, else the address
//	ip              the address of the client
//	header:NAME     the value of a header; without it, the address
//	cookie:NAME     the value of a cookie; without it, the address
//	all             everybody
type Caller struct {
	By   CallerBy
	Name string // for header and cookie
}

// CallerBy names what tells callers apart.
type CallerBy string

// What can tell callers apart.
const (
	CallerByAuthorization CallerBy = "authorization"
	CallerByIP            CallerBy = "ip"
	CallerByHeader        CallerBy = "header"
	CallerByCookie        CallerBy = "cookie"
	CallerIsEveryone      CallerBy = "all"
)

// RateLimit answers 429 to what comes faster than the rate allows (GCRA).
type RateLimit struct {
	Rate   Rate   // 100/s, 600/m, 1000/h
	Burst  int    // how many may come at once after a pause; default: the requests of Rate, whatever their time
	Caller Caller // default ip
	// Scope "fleet" counts for all gateways that share the store; while the store is away, each counts alone. "gateway" is
	// each alone always. Default "fleet".
	Scope Scope
}

// Scope names the gateways that count together.
type Scope string

// The scopes of a rate limit.
const (
	ScopeFleet   Scope = "fleet"
	ScopeGateway Scope = "gateway"
)

// Rate is a number of requests in a time.
type Rate struct {
	Requests int
	Per      time.Duration // a second, minute or hour
}

// Idempotency gives requests under one Idempotency-Key one effect and one answer, for services in any language. It needs the
// store. It counts for methods that are not idempotent by themselves: POST and PATCH.
type Idempotency struct {
	Mode        Mode          // "required": 400 without a key; "optional": requests without a key pass unchanged
	Caller      Caller        // keys of one caller mean nothing to another; default authorization
	TTL         time.Duration // how long an answer can be had again; default 24h
	BodyBytes   int           // largest request body, which is kept in memory for its fingerprint; default 1MiB
	AnswerBytes int           // largest answer that is kept; default 1MiB
}

// Mode says whether requests need an Idempotency-Key.
type Mode string

// The modes of idempotency.
const (
	KeyRequired Mode = "required"
	KeyOptional Mode = "optional"
)
