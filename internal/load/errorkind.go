package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// Error kinds that have a meaning for the generator. outOfPorts and outOfFiles are faults of the generator itself.
const (
	outOfPorts curve.ErrorKind = "out of ports"
	outOfFiles curve.ErrorKind = "out of descriptors"
	timedOut   curve.ErrorKind = "timeout"
	connClosed curve.ErrorKind = "connection closed"
	connFailed curve.ErrorKind = "connection failed"
)

// isClosed reports whether a transport error can mean that the peer closed the connection.
func isClosed(err error) bool {
	kind := kindOf(err)
	return kind == connClosed || kind == connFailed
}

// failure returns the result of a request that ended with err. ctx is the context of all requests of the run.
func failure(ctx context.Context, err error) result {
	if ctx.Err() != nil {
		return result{aborted: true}
	}
	kind := kindOf(err)
	return result{kind: kind, noLatency: kind != timedOut}
}

// kindOf returns the kind of a transport error.
func kindOf(err error) curve.ErrorKind {
	var (
		malformed *client.MalformedError
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		host      x509.HostnameError
		dns       *net.DNSError
		broken    *client.Error
	)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return outOfPorts
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return outOfFiles
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &malformed):
		return "malformed response"
	case errors.As(err, &record), errors.As(err, &verify), errors.As(err, &host):
		return "tls"
	case errors.As(err, &dns):
		return "name not found"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return connClosed
	}
	return connFailed
}

// statusKind returns the kind of a response with that status; "" below 400.
func statusKind(status int) curve.ErrorKind {
	if status < 400 {
		return ""
	}
	return curve.ErrorKind("status " + strconv.Itoa(status))
}
