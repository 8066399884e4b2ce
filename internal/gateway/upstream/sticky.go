package upstream

import (
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/gateway/balance"
)

// pinned returns the node that the request's sticky cookie names, if it can be used. A visitor whose node is gone or full
// moves to another one; what that node kept in its memory is lost to them, which is why stickiness is a crutch.
func (p *Pool) pinned(f *flight) *member {
	if p.service.Sticky == "" || len(f.tried) > 0 {
		return nil
	}
	c, err := f.req.Cookie(p.service.Sticky)
	if err != nil {
		return nil
	}
	for _, m := range f.view.members {
		if pinName(m) == c.Value {
			return m
		}
	}
	return nil
}

// pin gives the visitor the cookie for the node that answered, when it is not the one that they came with.
func (p *Pool) pin(resp *http.Response, f *flight, m *member) *http.Response {
	if p.service.Sticky == "" || resp == nil {
		return resp
	}
	if c, err := f.req.Cookie(p.service.Sticky); err == nil && c.Value == pinName(m) {
		return resp
	}
	c := http.Cookie{Name: p.service.Sticky, Value: pinName(m), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	resp.Header.Add("Set-Cookie", c.String())
	return resp
}

// pinName is a node's name in the cookie: not its id, which is nobody's business.
func pinName(m *member) string { return strconv.FormatUint(balance.Key(m.id), 36) }

func randomKey() uint64 { return rand.Uint64() }
