package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// ErrorPages are files that take the place of the bodies of errors. In the file, a status (404) or a class (5xx) is the key of
// its file. A file alone is for all errors.
//
// A page may have the placeholders {status}, {title}, {reason} and {request_id}. A client that prefers JSON gets the JSON
// of the gateway, and a gRPC client a status of gRPC.
type ErrorPages struct {
	Files   map[string]string // absolute paths, by "404", "4xx" or "5xx"
	Service bool              // replace the error responses of the service, too; default false: only the gateway's own
}

var errorPagesPolicy = routePolicy{
	key:   "error_pages",
	open:  true,
	value: func(r *Route) value { return errorPages{&r.ErrorPages} },
	check: func(*validation, string, *Route, *Config) {},
	describe: func(r *Route) (short, long string) {
		if r.ErrorPages == nil {
			return "", ""
		}
		short = strings.Join(slices.Sorted(maps.Keys(r.ErrorPages.Files)), " ")
		return short, "own pages for " + short
	},
}

// ReadPage reads the file of a page.
func ReadPage(path string) (string, error) {
	text, err := usertext.ReadFile(path, strictyaml.MaxFile)
	if err != nil {
		return "", fmt.Errorf("read page %q: %w", path, err)
	}
	return string(text), nil
}

type errorPages struct{ p **ErrorPages }

var errorKey = regexp.MustCompile(`^([45]xx|[45][0-9][0-9])$`)

func (v errorPages) read(r *reader, n strictyaml.Value) {
	e := &ErrorPages{Files: map[string]string{}}
	if name, single := n.Scalar(); single {
		if name == "off" {
			return
		}
		var path string
		if (file{&path}).read(r, n); path != "" {
			e.Files["4xx"], e.Files["5xx"] = path, path
			*v.p = e
		}
		return
	}
	for _, k := range r.Mapping(n, "a mapping of statuses to files") {
		switch {
		case k.Key == "service":
			toggle(&e.Service).read(r, k.Value)
		case !errorKey.MatchString(k.Key):
			r.ProblemAt(k.Value.Path, k.At, wrong("404, 4xx, 5xx or service", "is not the status of an error"))
		default:
			var path string
			if (file{&path}).read(r, k.Value); path != "" {
				e.Files[k.Key] = path
			}
		}
	}
	if len(e.Files) == 0 && !r.Broken(n.Path) {
		r.Problem(n, wrong("{404: pages/404.html, 5xx: pages/5xx.html}", "names no page"))
		return
	}
	*v.p = e
}

func (v errorPages) show() any {
	if *v.p == nil {
		return nil
	}
	var all []shown
	for _, key := range slices.Sorted(maps.Keys((*v.p).Files)) {
		all = append(all, shown{key, (*v.p).Files[key]})
	}
	return append(all, shown{"service", strconv.FormatBool((*v.p).Service)})
}
