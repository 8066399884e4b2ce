package server

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway"
)

// pathOf returns the path of the value that an error of the gateway is about, or "" when that is not known.
func pathOf(err error, cfg *config.Config) string {
	if e := (*gateway.ListenError)(nil); errors.As(err, &e) {
		at := func(l config.Listener) bool { return l.Address == e.Address && !l.Optional }
		if i := slices.IndexFunc(cfg.Listeners(), at); i >= 0 && len(cfg.Listen) > 1 {
			return fmt.Sprintf("listen[%d]", i)
		}
		return "listen"
	}
	if e := (interface{ Path() string })(nil); errors.As(err, &e) {
		return e.Path()
	}
	return ""
}
