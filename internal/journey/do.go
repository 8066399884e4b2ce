package journey

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// maxRead is how many bytes of a body are read into memory. The rest is read and dropped.
const maxRead = 4 << 20

// Response is the response to the request of a step. Body is nil if the step does not need it.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes the request of a step over transport, reads the response to its end and checks it. It keeps the cookies and
// the values that later steps use. It returns the response, also if the check fails.
//
// Do fails with an *Error if a value makes the request invalid or the response is not as expected, and with the error
// of the transport otherwise. After an error the visit must not go on.
func (v *Visit) Do(ctx context.Context, s *Step, transport http.RoundTripper) (*Response, error) {
	req, err := v.request(ctx, s)
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r := &Response{Status: resp.StatusCode, Header: resp.Header}
	if s.readsBody(resp.StatusCode) {
		if r.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxRead)); err != nil {
			return nil, err
		}
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	return r, v.check(s, req.URL, r)
}

// setBody sets the body of a request, if the step has one.
func (v *Visit) setBody(r *http.Request, s *Step) error {
	if !s.hasBody {
		return nil
	}
	text, err := s.body.expand(v.value)
	if err != nil {
		return err
	}
	r.ContentLength = int64(len(text))
	r.Body = http.NoBody
	if text != "" {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		r.Body, _ = r.GetBody()
	}
	return nil
}
