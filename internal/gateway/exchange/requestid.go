package exchange

import "net/http"

// RequestIDHeader is the field that has the id of a request, in requests to services and in responses.
const RequestIDHeader = "X-Request-Id"

// SetRequestID sets the id of the request and returns it as the values of a field. The values are a part of the exchange, to
// save an allocation.
func (x *Exchange) SetRequestID(id string) []string {
	x.RequestID = id
	x.requestIDs[0] = id
	return x.requestIDs[:]
}

// PutRequestID puts the id of the request into the header for a service, or of its response, in the place of any other.
func (x *Exchange) PutRequestID(h http.Header) {
	if x != nil && x.RequestID != "" {
		h[RequestIDHeader] = x.requestIDs[:]
	}
}
