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

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// Faults that doubt the generator rather than the target.
const (
	outOfPorts       = "out of ports"
	outOfDescriptors = "out of descriptors"
)

const timedOut = "timeout"

// faultOf puts the error of a request into one of a few kinds.
func faultOf(err error) string {
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
		return outOfDescriptors
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
		return "connection closed"
	}
	return "connection failed"
}

// statusFault is the fault of an answer by its status; none below 400.
func statusFault(status int) string {
	if status < 400 {
		return ""
	}
	return "status " + strconv.Itoa(status)
}
