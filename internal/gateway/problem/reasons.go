package problem

import "time"

// Methods are the methods that a service may be asked with.
var Methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// What is wrong with the request.
var (
	ClientGone = &Problem{Status: StatusClientGone, Reason: "client_gone"}

	MethodNotServed = &Problem{Status: 405, Reason: "method", Allow: Methods,
		Detail: "CONNECT and TRACE are not supported"}
	MethodLowerCase = &Problem{Status: 405, Reason: "method", Allow: Methods, Detail: "method names are upper case"}
	URITooLong      = &Problem{Status: 414, Reason: "uri_too_long", Detail: "the request target is too long"}
	HeaderTooLarge  = &Problem{Status: 431, Reason: "header_too_large", Detail: "too many header lines"}
	Host            = &Problem{Status: 400, Reason: "host", Detail: "the request does not name exactly one host"}
	Malformed       = &Problem{Status: 400, Reason: "malformed", Detail: "invalid method, path or authority"}
	PathNoSlash     = &Problem{Status: 400, Reason: "path", Detail: "the path does not begin with a slash"}
	PathDots        = &Problem{Status: 400, Reason: "path", Detail: "the path has dot segments or a NUL"}
	PathUnreadable  = &Problem{Status: 400, Reason: "path", Detail: "the path has control characters or is not UTF-8"}
	PathAmbiguous   = &Problem{Status: 400, Reason: "path",
		Detail: "ambiguous path: some servers would read it as the path of a route with policies"}
	PathRewritten = &Problem{Status: 400, Reason: "path",
		Detail: "the rewritten path is that of a route with policies"}
	AddressDenied = &Problem{Status: 403, Reason: "address_denied", Detail: "this route does not accept requests from this address"}
	Origin        = &Problem{Status: 403, Reason: "origin", Detail: "pages of this origin may not read responses of this route"}

	NoRoute = &Problem{Status: 404, Reason: "no_route", Detail: "no route matches the request"}

	BodyTooLarge   = &Problem{Status: 413, Reason: "body_too_large", Detail: "the request body is too large"}
	BodyTooSlow    = &Problem{Status: 408, Reason: "body_too_slow", Detail: "the request body was sent too slowly"}
	BodyUnreadable = &Problem{Status: 400, Reason: "body", Detail: "the request body could not be read"}
)

// ReasonResponseLimit is the reason of a response above a limit of its service. The service has done its work.
const ReasonResponseLimit = "response_limit"

// Why no node answered.
var (
	BreakerOpen = &Problem{Status: 503, Reason: "breaker_open", RetryAfter: time.Second,
		Detail: "too many recent requests to this service failed; the gateway sends none for a moment"}
	NoNode = &Problem{Status: 503, Reason: "no_node", RetryAfter: time.Second,
		Detail: "no node of this service is ready"}
	QueueFull = &Problem{Status: 503, Reason: "queue_full", RetryAfter: time.Second,
		Detail: "all nodes of this service are busy and their queue is full"}
	QueueTimeout = &Problem{Status: 503, Reason: "queue_timeout", RetryAfter: time.Second,
		Detail: "all nodes of this service were busy for too long"}
	Timeout = &Problem{Status: 504, Reason: "timeout", Detail: "the service did not respond in time"}
	Drained = &Problem{Status: 503, Reason: "drained", RetryAfter: time.Second,
		Detail: "the node was removed before it responded; the request may or may not have taken effect"}
	Unreachable = &Problem{Status: 503, Reason: "unreachable", RetryAfter: time.Second,
		Detail: "no node of this service could be reached"}
	Shortage = &Problem{Status: 503, Reason: "gateway_shortage", RetryAfter: time.Second,
		Detail: "the gateway is short of open files, ports or memory; the service is not the cause"}
	NodeFailed = &Problem{Status: 502, Reason: "node_failed",
		Detail: "the node failed before it responded; the request may or may not have taken effect"}
)
