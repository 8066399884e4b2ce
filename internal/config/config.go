// Package config reads tenfold.yaml: strictly, with its defaults filled in, and with every problem reported at once.
//
// The types of config.go are the manual of the file: a field's comment says what it does, its unit and its default. Its
// key in the file is its name in snake_case: HeaderBytes is header_bytes. Unknown keys, duplicate
// keys and keys without a value are problems.
//
// Package strictyaml says which YAML is accepted. Values are read as they are written (1.10 stays 1.10, yes stays yes) and have
// these forms:
//
//	duration   500ms, 2s, 1m30s; from 0 to 24h
//	size       8192, 32KiB, 1MiB: bytes, in powers of 1024
//	share      10% or 0.1
//	switch     true or false, on or off
//	list       [a, b], or a single value
//	address    :8080, 127.0.0.1:8080, [::1]:8080, localhost:8080; port 0 takes a free one; in listen also http://:80, https://:443
//	network    10.0.0.0/8, or a single IP address
//	rate       100/s, 600/m, 1000/h
//	path       relative to the directory of the file
//
// In admin.token, jwt.secret and the values of env, of probe.headers, of liveness.headers, of users of basic_auth and of
// request_headers and response_headers, "${NAME}" reads the environment variable NAME, and "$${" is a plain "${". A variable
// that is not set is a problem. Apart from REDIS_URL for store: auto, no other value is read from the environment.
package config

import (
	"net/netip"
	"time"
)

// Config is a whole tenfold.yaml with its defaults filled in.
type Config struct {
	Listen         []string       // addresses that the gateway listens on, see Listeners; a single string is accepted, too; default ":8080", with public names and tls: auto ":443"
	Admin          Admin          // the admin address: metrics, JSON API; a single string is its listen address
	TLS            *TLS           // where certificates come from; nil, in the file "off", means plain HTTP
	H2C            bool           // accept HTTP/2 without TLS (prior knowledge); default false
	ProxyProtocol  []netip.Prefix // peers whose PROXY protocol header (v1, v2) is required and trusted; default none
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-* and Forwarded are trusted; default none
	Forwarded      Forwarded      // which of these fields are read and written
	Store          string         // "auto" (REDIS_URL, or a private one), "none" or a redis:// or rediss:// URL, the password is never shown; default "auto"
	Drain          time.Duration  // how long old requests may finish when a node or tenfold stops; default 30s
	Log            Log            // what is logged, and where
	ErrorPages     *ErrorPages    // own pages for errors, for requests whose route has none for the status; default none
	Expose         Expose         // what responses tell about the fleet, for routes without it: off or node; default off
	Limits         Limits         // what a downstream may send
	Services       []Service      // in the order of the file
	JWT            *JWT           // the tokens of routes with auth: jwt; nil, in the file "off", for none
	Routes         []Route        // in the order of the file; default: "/" to the only service; needed when there are several

	storeVariable bool      // Store is that of StoreVariable
	ownEnv        bool      // there is no tenfold.yaml: the file of variables is that of the whole project
	procfile      []Problem // notes about the Procfile that it was read from
}

// Forwarded chooses between the two families of fields that describe a client: X-Forwarded-* and Forwarded (RFC 7239).
type Forwarded struct {
	// Read is the family that trusted proxies set: x-forwarded or forwarded. "auto" reads the family that is present;
	// when both are present and differ, the nearer untrusted address and http win. Default "auto".
	Read ForwardedFields
	// Write is the family that services get: x-forwarded, forwarded or both; default "both".
	Write ForwardedFields
}

// ForwardedFields names a family of fields.
type ForwardedFields string

// The families.
const (
	ForwardedAuto     ForwardedFields = "auto"
	ForwardedBoth     ForwardedFields = "both"
	ForwardedX        ForwardedFields = "x-forwarded"
	ForwardedStandard ForwardedFields = "forwarded"
)

// Admin is the address of the console.
type Admin struct {
	// Listen is an address, "off" for none, or "auto": 127.0.0.1:9090, or a free port when another program has that one.
	// Default "auto".
	Listen string
	Token  string // required when Listen is not loopback; sent as "Authorization: Bearer"; may be "${NAME}"; never shown
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
	// Connections is the largest number of open connections from downstreams; more have to wait. Near the limit, connections
	// without a request are closed. Default 0: half of the open files that the process may have, after a reserve.
	Connections int
	// ConnectionsPerClient is the largest number of open connections from one client address; more are closed. An IPv6 network
	// /64 is one client. Proxies (TrustedProxies, ProxyProtocol) have no such limit. Default 0: no limit.
	ConnectionsPerClient int
	Underscores          bool // accept header names with "_"; default false: they are dropped
}

// Service is a named program: one that the fleet runs (Run), or one that runs elsewhere (Addresses). In the file services is
// a mapping of names to services; a name is a DNS label that starts with a letter.
type Service struct {
	Name string
	// Run is the command and its arguments: run: [shop, serve]. A node is told where to listen by PORT and HOST.
	// A text (run: shop serve) is split at its spaces. Quotes and other characters that mean something to a shell are
	// refused, because no shell reads the text. To use a shell, write run: [sh, -c, "exec shop --port $PORT"].
	Run []string
	Dir string            // working directory of Run; default: the directory of the file; an absolute path once read
	Env map[string]string // added to the environment of Run; "${NAME}" reads tenfold's own; not PORT, HOST, TENFOLD_*; never shown
	// EnvFile are files of variables, with lower priority than Env: one, or a list in which a later file wins; absolute
	// paths once read. Their syntax is that of package dotenv. PORT, HOST and TENFOLD_* in them are ignored.
	EnvFile   []string
	MinNodes  int      // nodes: N or MIN..MAX, up to 1000; default 2; 0 with Addresses
	MaxNodes  int      // equals MinNodes for a plain N
	Addresses []string // nodes: [host:port, https://host:port, unix:/path, ...]; excludes Run
	Weights   []int    // nodes: [{address: host:port, weight: 3}, ...]; only with Addresses; nil means equal weights
	Backups   []bool   // nodes: [{address: host:port, backup: true}, ...]; only with Addresses; nil means none
	Worker    bool     // set when no route leads to a service with Run: it gets no PORT and is ready when it runs

	TLS       *NodeTLS // how nodes with an https:// address are verified; nil for the defaults
	Probe     Probe
	Outlier   Outlier
	Balance   Balance
	Sticky    string        // name of a cookie that makes a visitor prefer one node; default "off", since it hides state that is lost with a node
	Limit     Limit         // requests in flight per node and the queue in front; a number alone is InFlight
	Retry     Retry         // "off" is tries: 1
	Breaker   Breaker       //
	Response  Response      // how large the headers of a response may be
	SlowStart time.Duration // how long a new node takes to get its full share; default 10s; 0 for at once
	Drain     time.Duration // default: Config.Drain
	Timeout   time.Duration // from the last byte of the request to the response's header, over all tries; default 60s

	IdleTimeout time.Duration // how long a connection to a node may wait for its next request; default 60s
	// Upgrade lists the protocols that a connection may switch to (Upgrade, RFC 9110 section 7.8), in lower case. "off"
	// allows no protocol. HTTP/2 is refused: requests in it would pass every policy. Default [websocket].
	Upgrade []string

	// ReplaceAfter is how long a node may fail its probe, or hold requests without any answer while other nodes answer,
	// before it is hung and is replaced. A node of a list of addresses is only marked. Default 1m; 0, in the file "off",
	// for never.
	ReplaceAfter time.Duration
	// Liveness is a second probe: its failures make a node hung, in place of those of Probe. "off": no failed probe makes
	// a node hung; a path alone is its Path. It has no Rise and Fall. Default nil: Probe counts.
	Liveness  *Probe
	Resources Resources // limits of each node; only with Run
	User      string    // name or number of the user that runs the nodes; only with Run, and only when tenfold runs as root; without it, that of tenfold

	// Before is a command and its arguments, in the form of Run. It runs once per deploy or start, before new nodes
	// start, with the directory and the environment of the service, for example a migration. Tenfolds that share the
	// store run it once per version. Only with Run.
	Before       []string
	After        []string      // services that are ready before the first nodes of this one start; only with Run
	Restart      Restart       // which nodes of a worker are replaced when they end by themselves: always, on-failure, never; default always
	StartTimeout time.Duration // how long a new node may take until it is ready, before it is stopped and counts as failed; default 60s

	startNodes int               // how many nodes run at first; 0 is MinNodes
	fileEnv    map[string]string // the variables of EnvFile
	ignoredEnv []string          // variables of EnvFile that tenfold sets for each node
	literalEnv []string          // variables of Env that have a literal $NAME
}

// NodeTLS says how the gateway connects to nodes with an https:// address, for requests and probes. A connection fails when the
// certificate of the node is not valid for the node's host, or is not issued by a trusted authority.
type NodeTLS struct {
	ServerName string // the name in SNI and in the certificate; default: the host of the address
	CA         string // PEM file of trusted authorities; default: those of the system; an absolute path once read
	Cert       string // PEM file of a client certificate, leaf first; an absolute path once read
	Key        string // PEM file of its private key, unencrypted; an absolute path once read
	Verify     bool   // default true; false accepts every certificate, also that of an attacker
}

// Probe is the active check: a request for Path on each node. "off" means that a node counts as ready while it accepts
// connections; a path alone, probe: /readyz, is Path.
type Probe struct {
	Off      bool
	Path     string        // may have a query; default "/"
	Interval time.Duration // default 2s, with 10 % jitter
	Timeout  time.Duration // default 1s
	Rise     int           // successes in a row that make a node ready; default 1
	Fall     int           // failures in a row that make it not ready; default 3
	Status   []StatusRange // what counts as success; default 200..399
	Body     string        // a substring that the first 64 KiB of the body must have; default none

	Method  string            // default GET
	Host    string            // the Host field; without it, the address of the node is sent
	Headers map[string]string // by canonical name; "${NAME}" reads an environment variable; never shown
}

// StatusRange is an inclusive range of HTTP status codes: 200, 200..299 or 2xx in the file.
type StatusRange struct{ From, To int }

// Outlier is the passive check: nodes that fail live requests are ejected for a growing time. "off" switches it off.
type Outlier struct {
	Off         bool
	Failures    int           // consecutive failures that eject a node, unless the other nodes fail as well; default 5
	SuccessRate float64       // standard deviations under the fleet's mean success rate that eject a node; default 1.9; 0 is off
	Interval    time.Duration // over which the success rate is measured; default 10s
	MinRequests int           // requests per node and interval below which the success rate is ignored; default 100
	Eject       time.Duration // length of the first ejection; each further one is longer by this time; default 10s
	MaxEject    time.Duration // longest ejection; default 5m
	MaxShare    float64       // share of the nodes that may be ejected at once, with two nodes always one; default 0.5 ("50%")
	Panic       float64       // when fewer than this share of nodes pass their probe, the results of probes are ignored; default 0: never
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
	// Tries is how often a request is tried at most, the first try included; default 3; 1 switches retries off. A try
	// that reached no node counts neither here nor for Budget, once per node.
	Tries      int
	Budget     float64       // retries as a share of the requests of the last ten seconds, moves away from a node that went down left out; default 0.1 ("10%")
	TryTimeout time.Duration // for the response header of one try; default 0: only Service.Timeout
	BodyBytes  int           // a body up to this size is kept for a replay; default 64KiB
}

// Breaker opens when too many requests to a service fail. While it is open, requests get an error at once. "off" switches it
// off. Failed connections, timeouts and broken responses count. A 502, 503 or 504 of the service counts while such statuses are
// spread over its URLs.
type Breaker struct {
	Off         bool
	FailureRate float64       // share of tries that must fail; default 0.5 ("50%")
	MinRequests int           // tries in the window below which it stays closed; default 20
	Window      time.Duration // default 10s
	Open        time.Duration // how long it stays open before it lets a trial through; default 5s
}

// Response bounds the header of a response. A response above a limit becomes a 502. It counts against no node.
type Response struct {
	HeaderBytes int // status line and headers together; default 64KiB
	HeaderLines int // default 256
}

// Route leads requests to a service. Of all routes that match, an exact host wins over a wildcard host, and that over
// no host; then the longest path wins, then the most conditions, then the first in the file.
type Route struct {
	Host    string            // "shop.example", "*.shop.example" or empty for all; lower case, without a port
	Path    string            // decoded, a prefix at segment boundaries: "/api" matches /api and /api/x, not /apix; default "/"
	Methods []string          // upper case; default all
	Headers map[string]string // by canonical name, a value to equal, or "*" for present; default none
	To      string            // the service; not with Redirect

	// Auth "jwt" accepts only requests with a bearer token that Config.JWT accepts; default "off".
	Auth        Auth
	RateLimit   *RateLimit   // "off", or a rate alone: rate_limit: 100/s; default "off"
	Idempotency *Idempotency // "off", or a mode alone: idempotency: required; default "off"

	// Redirect takes the place of To: requests get the address of another resource; default none; an address alone is
	// Redirect.To.
	Redirect *Redirect
	// StripPrefix is removed from the path for the service, which gets it in X-Forwarded-Prefix; default none; "on" is Path.
	StripPrefix     string
	Rewrite         *Rewrite       // another path for the service; a path alone is Rewrite.Prefix; default none
	RequestHeaders  *HeaderChanges // for the service; Headers are the condition of the route; default none
	ResponseHeaders *HeaderChanges // for the client, also in the gateway's own answers; default none
	BasicAuth       *BasicAuth     // default none
	Allow           []netip.Prefix // networks of clients; 403 for all others; default all
	Deny            []netip.Prefix // networks of clients that get 403, also when Allow has them; default none
	CORS            *CORS          // an origin alone is CORS.Origins; default none
	Maintenance     *Maintenance   // "on", or "pause": the defaults with Pause 30s; default none
	ErrorPages      *ErrorPages    // a file alone is for all errors; default none
	Expose          Expose         // default Config.Expose
}

// Auth names how a request is authenticated.
type Auth string

// The ways to authenticate a request.
const (
	AuthOff Auth = "off"
	AuthJWT Auth = "jwt"
)

// JWT says which bearer tokens (RFC 7519) are accepted. Algorithms, Keys, Issuer and Audience have no default and
// must be given. Secret takes the place of Algorithms and Keys: everybody who can check such a token can also make one.
type JWT struct {
	Algorithms []string      // of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512; a token with another is refused
	Keys       string        // a JWKS (RFC 7517): an https:// URL (http:// on loopback only), or a file; or a file of PEM public keys
	Secret     string        // at least 32 bytes, for HS256 alone; excludes Keys; may be "${NAME}"; never shown
	Issuer     string        // "iss", compared byte by byte
	Audience   []string      // one of them must be in "aud"; "any" alone accepts every audience
	Leeway     time.Duration // how far the clocks of issuer and gateway may be apart; default 30s
	Refresh    time.Duration // how often Keys is read again; default 5m
	Refetch    time.Duration // a token with an unknown key makes tenfold read Keys again, at most once in this time; default 30s
}

// Caller says which requests belong to one caller.
//
//	authorization   the subject of a token that auth: jwt has accepted, else the Authorization field, else the address
//	ip              the address of the client
//	header:NAME     the value of a header; without it, the address
//	cookie:NAME     the value of a cookie; without it, the address
//	all             all clients are one caller
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

// RateLimit answers 429 to requests above the rate (GCRA).
type RateLimit struct {
	Rate   Rate   // 100/s, 600/m, 1000/h
	Burst  int    // how many requests may come at once after a pause; default: the number of requests in Rate
	Caller Caller // default ip
	// Scope "fleet" counts together for all gateways that share the store; while the store cannot be reached, each
	// gateway counts alone. With "gateway" each gateway always counts alone. Default "fleet".
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

// Idempotency gives requests with the same Idempotency-Key one effect and one response, for services in any language. It
// needs the store. It applies to the methods that are not idempotent: POST and PATCH.
type Idempotency struct {
	Mode        Mode          // "required": 400 without a key; "optional": requests without a key pass unchanged
	Caller      Caller        // keys of different callers are independent; default authorization
	TTL         time.Duration // how long a response is kept and replayed; default 24h
	BodyBytes   int           // largest request body; it is kept in memory to compute its fingerprint; default 1MiB
	AnswerBytes int           // largest response that is kept; default 1MiB
	RetryOn     []int         // statuses 500 to 599 of the service that are not recorded; 503 never is; default none
}

// Mode says whether requests need an Idempotency-Key.
type Mode string

// The modes of idempotency.
const (
	KeyRequired Mode = "required"
	KeyOptional Mode = "optional"
)
