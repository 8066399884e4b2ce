package policy

import (
	"net/http"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// NodeTokens translates between the ids of nodes and the tokens that stand for them in sticky cookies. A token does not
// reveal the id.
type NodeTokens interface {
	NodeToken(id string) string
	NodeByToken(token string) (id string) // "" when no node with this token gets requests
}

// Sticky returns a transport that makes the requests of one visitor prefer one node. It sends requests through next.
// A cookie names the node that responded to the visitor last. When that node is gone or has no free slot, the request
// goes to another node, and the visitor gets the cookie of that node.
//
// Sticky works above everything that stores responses, so that no stored response carries the cookie of one visitor.
// It adds no cookie to a response for which no node was asked. It adds the cookie to the header of the response: next
// must not share that header with other requests.
func Sticky(cookie string, nodes NodeTokens, next http.RoundTripper) http.RoundTripper {
	return &sticky{cookie: cookie, nodes: nodes, next: next}
}

type sticky struct {
	cookie string
	nodes  NodeTokens
	next   http.RoundTripper
}

func (s *sticky) RoundTrip(req *http.Request) (*http.Response, error) {
	x, req := exchange.Ensure(req)
	token := ""
	if c, err := req.Cookie(s.cookie); err == nil {
		token = c.Value
		x.PreferredNode = s.nodes.NodeByToken(token)
	}
	resp, err := s.next.RoundTrip(req)
	if err != nil || x.Node == "" {
		return resp, err
	}
	if current := s.nodes.NodeToken(x.Node); current != token {
		c := http.Cookie{Name: s.cookie, Value: current, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
		resp.Header.Add("Set-Cookie", c.String())
	}
	return resp, nil
}
