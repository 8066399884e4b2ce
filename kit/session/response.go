package session

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
)

// response saves the session before anything of the response goes out.
type response struct {
	http.ResponseWriter
	request *http.Request
	session *Session
	before  http.Header // as it was when the request came to us
	begun   bool
	err     error // the session could not be saved: OnError has answered, the handler's response is dropped
}

// begin saves the session, once. It returns an error when the handler's response must not go out.
func (res *response) begin() error {
	if res.begun {
		return res.err
	}
	res.begun = true
	// A client that has gone away has still logged in, or added to its session.
	cookie, used, err := res.session.commit(context.WithoutCancel(res.request.Context()))
	if err != nil {
		res.err = err
		header := res.Header()
		clear(header)
		maps.Copy(header, res.before)
		res.session.all.o.OnError(res.ResponseWriter, res.request, err)
		return err
	}
	if cookie != nil {
		http.SetCookie(res.ResponseWriter, cookie)
		res.Header().Set("Cache-Control", "no-store") // a stored copy would give one visitor's session to another
	}
	if used {
		res.Header().Add("Vary", "Cookie")
	}
	return nil
}

func (res *response) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols { // early hints: the header is still to come
		if !res.begun {
			res.ResponseWriter.WriteHeader(status)
		}
		return
	}
	if res.begin() == nil {
		res.ResponseWriter.WriteHeader(status)
	}
}

func (res *response) Write(b []byte) (int, error) {
	if err := res.begin(); err != nil {
		return 0, err
	}
	return res.ResponseWriter.Write(b)
}

// ReadFrom keeps sendfile working.
func (res *response) ReadFrom(r io.Reader) (int64, error) {
	if err := res.begin(); err != nil {
		return 0, err
	}
	return io.Copy(res.ResponseWriter, r)
}

// Flush, FlushError and Hijack are here because each sends the header, or takes the connection away from it.
func (res *response) Flush() { res.FlushError() }

func (res *response) FlushError() error {
	if err := res.begin(); err != nil {
		return err
	}
	return http.NewResponseController(res.ResponseWriter).Flush()
}

func (res *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := res.begin(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(res.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController find what else the server's ResponseWriter can do.
func (res *response) Unwrap() http.ResponseWriter { return res.ResponseWriter }
