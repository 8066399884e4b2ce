package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/tenfold-go/tenfold/internal/status"
)

// diffPath is the path of what a reload would change.
const diffPath = "/api/diff"

// newRoutes answers every path of the admin address. isOwner reports whether a request may read what nodes have written.
func newRoutes(
	reader Reader, operator Operator, metrics http.Handler, version status.Version, isOwner func(*http.Request) bool,
) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /api/services", func(w http.ResponseWriter, r *http.Request) {
		services := reader.Services()
		if slices.ContainsFunc(services, hasOutput) && !isOwner(r) {
			services = withoutOutput(services)
		}
		writeList(w, services)
	})
	mux.HandleFunc("GET /api/nodes", func(w http.ResponseWriter, r *http.Request) { writeList(w, reader.Nodes()) })
	mux.HandleFunc("GET /api/routes", func(w http.ResponseWriter, r *http.Request) { writeList(w, reader.Routes()) })
	mux.HandleFunc("GET /api/certificates", func(w http.ResponseWriter, r *http.Request) { writeList(w, reader.Certificates()) })
	mux.HandleFunc("GET /api/store", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, reader.Store()) })
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, version) })
	a := actions{operator}
	mux.HandleFunc("POST /api/services/{name}/restart", a.restart)
	mux.HandleFunc("POST /api/services/{name}/scale", a.scale)
	mux.HandleFunc("POST /api/services/{name}/deploy", a.deploy)
	mux.HandleFunc("POST /api/services/{name}/rollback", a.rollback)
	mux.HandleFunc("POST /api/nodes/{id}/drain", a.drain)
	mux.HandleFunc("POST /api/nodes/{id}/undrain", a.undrain)
	mux.HandleFunc("POST /api/reload", a.reload)
	mux.HandleFunc("GET "+diffPath, a.diff)
	mux.HandleFunc("POST /api/upgrade", a.upgrade)
	return mux
}

func hasOutput(s status.Service) bool { return s.LastExit != nil && len(s.LastExit.Output) > 0 }

// withoutOutput returns services without the lines that their nodes have written.
func withoutOutput(services []status.Service) []status.Service {
	services = slices.Clone(services)
	for i, s := range services {
		if hasOutput(s) {
			exit := *s.LastExit
			exit.Output = nil
			services[i].LastExit = &exit
		}
	}
	return services
}

// writeList answers with a JSON list. An empty one is [], not null.
func writeList[T any](w http.ResponseWriter, list []T) {
	if list == nil {
		list = []T{}
	}
	writeJSON(w, http.StatusOK, list)
}

// writeResult answers a POST: 200 when it succeeded, otherwise the status that its error stands for.
func writeResult(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, struct {
			Done bool `json:"done"`
		}{true})
	case errors.Is(err, ErrUnknown):
		writeError(w, http.StatusNotFound, err)
	case errors.Is(err, ErrRefused):
		writeError(w, http.StatusConflict, err)
	default:
		writeError(w, http.StatusInternalServerError, err)
	}
}

// writeReload answers with the result of a reload. A file with problems is a 422, and a service that is held back a 500.
func writeReload(w http.ResponseWriter, result *status.Reload, err error) {
	switch {
	case result == nil:
		writeResult(w, err)
	case err == nil:
		writeJSON(w, http.StatusOK, result)
	case len(result.Problems) > 0:
		writeJSON(w, http.StatusUnprocessableEntity, result)
	default:
		writeJSON(w, http.StatusInternalServerError, result)
	}
}

func writeError(w http.ResponseWriter, code int, err error) {
	writeJSON(w, code, struct {
		Error string `json:"error"`
	}{err.Error()})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v)
}
