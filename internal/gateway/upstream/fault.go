package upstream

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// fault says who caused a failed attempt. Only faultRefused, faultUnreached and faultNode count, against the node and for
// the circuit breaker.
//
// A response is not a failed attempt, whatever its status is. [Pool.observe] and package urlstatus say what counts there.
type fault uint8

const (
	faultClient    fault = iota // the client left, or its body could not be read
	faultShortage               // this machine lacks descriptors, ports or memory
	faultLimit                  // the response is above a limit of the gateway
	faultRefused                // the node refused the connection
	faultUnreached              // there was no connection for another reason: no route, an unknown name, a timeout
	faultNode                   // the node closed the connection, was too slow, or its response was malformed
)

// faultOf returns who caused err. ended says that the context of the attempt has ended; err is then its cause.
func faultOf(err error, ended bool) fault {
	var limit *client.LimitError
	var op *net.OpError
	switch {
	case isBodyError(err):
		return faultClient
	case errors.Is(err, ErrTimeout), errors.Is(err, ErrTryTimeout), errors.Is(err, ErrNodeDown):
		return faultNode
	case ended:
		return faultClient
	case shortageOf(err) != "":
		return faultShortage
	case errors.As(err, &limit):
		return faultLimit
	case !errors.As(err, &op) || op.Op != "dial":
		return faultNode
	case errors.Is(err, syscall.ECONNREFUSED), op.Net == "unix" && errors.Is(err, syscall.ENOENT):
		return faultRefused
	}
	return faultUnreached
}

// shortageOf returns what this machine lacks according to err, or "" when err is no shortage.
func shortageOf(err error) string {
	if err == nil {
		return ""
	}
	var dns *net.DNSError // it has only the text of its cause
	isDNS := errors.As(err, &dns)
	for _, s := range shortages {
		if errors.Is(err, s.errno) || isDNS && strings.Contains(dns.Err, s.errno.Error()) {
			return s.resource
		}
	}
	return ""
}

var shortages = []struct {
	errno    syscall.Errno
	resource string
}{
	{syscall.EMFILE, "descriptors"}, {syscall.ENFILE, "descriptors"},
	{syscall.EADDRNOTAVAIL, "ports"},
	{syscall.ENOBUFS, "memory"}, {syscall.ENOMEM, "memory"},
}

// ShortageError is a try or a probe that failed because this machine lacks something. It counts neither against a
// node nor against the service.
type ShortageError struct {
	Resource string // "descriptors", "ports" or "memory"
	Err      error
}

func (e *ShortageError) Error() string {
	return fmt.Sprintf("tenfold is short of %s: %v", e.Resource, e.Err)
}
func (e *ShortageError) Unwrap() error { return e.Err }

// ResponseLimitError is a response above a limit of its service. It counts neither against a node nor against the
// service.
type ResponseLimitError struct {
	Service string
	*client.LimitError
}

func (e *ResponseLimitError) Error() string {
	return fmt.Sprintf("%v (services.%s.response.%s)", e.LimitError, e.Service, e.Limit)
}
func (e *ResponseLimitError) Unwrap() error { return e.LimitError }

// blameless reports whether err is a fault of the gateway. It counts neither against a node nor against the service.
func blameless(err error) bool {
	if err == nil { // without the allocations of errors.As: every request comes here
		return false
	}
	var shortage *ShortageError
	var limit *ResponseLimitError
	return errors.As(err, &shortage) || errors.As(err, &limit)
}

// reachedNoNode reports whether a try ended before the node got anything: there was no connection, or nothing could be
// written to an idle one. A repetition costs the service nothing.
func reachedNoNode(err error) bool {
	var op *net.OpError
	return stageOf(err) == client.NotSent && errors.As(err, &op) && (op.Op == "dial" || op.Op == "write")
}
