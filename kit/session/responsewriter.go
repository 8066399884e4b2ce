package session

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
)

// responseWriter saves the session before any part of the response is sent.
type responseWriter struct {
	http.ResponseWriter
	request   *http.Request
	session   *Session
	original  http.Header // the header at the start of the request
	committed bool
	err       error // the session could not be saved; OnError has responded, and the response of the handler is dropped
}

// commit saves the session once. It returns an error if the response of the handler must be dropped.
func (res *responseWriter) commit() error {
	if res.committed {
		return res.err
	}
	res.committed = true
	// The session is saved even if the client has disconnected: its login or change is done.
	cookie, used, err := res.session.commit(context.WithoutCancel(res.request.Context()))
	if err != nil {
		res.err = err
		header := res.Header()
		clear(header)
		maps.Copy(header, res.original)
		res.session.all.o.OnError(res.ResponseWriter, res.request, err)
		return err
	}
	if cookie != nil {
		http.SetCookie(res.ResponseWriter, cookie)
		res.Header().Set("Cache-Control", "no-store") // a cached copy would give the session of one visitor to another
	}
	if used {
		res.Header().Add("Vary", "Cookie")
	}
	return nil
}

func (res *responseWriter) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols { // for example early hints; the final header follows
		if !res.committed {
			res.ResponseWriter.WriteHeader(status)
		}
		return
	}
	if res.commit() == nil {
		res.ResponseWriter.WriteHeader(status)
	}
}

func (res *responseWriter) Write(b []byte) (int, error) {
	if err := res.commit(); err != nil {
		return 0, err
	}
	return res.ResponseWriter.Write(b)
}

// ReadFrom lets the server use sendfile.
func (res *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	if err := res.commit(); err != nil {
		return 0, err
	}
	return io.Copy(res.ResponseWriter, r)
}

// Flush calls FlushError.
func (res *responseWriter) Flush() { res.FlushError() }

// FlushError saves the session first, because it sends the header.
func (res *responseWriter) FlushError() error {
	if err := res.commit(); err != nil {
		return err
	}
	return http.NewResponseController(res.ResponseWriter).Flush()
}

// Hijack saves the session first, because after it no header can be sent.
func (res *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := res.commit(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(res.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController find the other methods of the server's ResponseWriter.
func (res *responseWriter) Unwrap() http.ResponseWriter { return res.ResponseWriter }
