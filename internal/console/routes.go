package console

import (
	"context"
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
	mux.HandleFunc("GET /api/store", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, reader.Store())
	})
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, version)
	})
	mux.HandleFunc("POST /api/upgrade", func(w http.ResponseWriter, r *http.Request) {
		// An upgrade runs to its end even if the client disconnects.
		upgraded, err := operator.Upgrade(context.WithoutCancel(r.Context()))
		if err != nil {
			writeResult(w, err)
			return
		}
		writeJSON(w, http.StatusOK, upgraded)
	})
	mux.HandleFunc("POST /api/services/{name}/restart", func(w http.ResponseWriter, r *http.Request) {
		// A restart runs to its end even if the client disconnects.
		writeResult(w, operator.Restart(context.WithoutCancel(r.Context()), r.PathValue("name")))
	})
	mux.HandleFunc("POST /api/services/{name}/scale", func(w http.ResponseWriter, r *http.Request) {
		nodes, err := readNodes(w, r)
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		writeResult(w, operator.Scale(r.Context(), r.PathValue("name"), nodes))
	})
	mux.HandleFunc("POST /api/services/{name}/deploy", func(w http.ResponseWriter, r *http.Request) {
		how, err := readDeploy(w, r)
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		// A deploy runs to its end even if the client disconnects.
		result, err := operator.Deploy(context.WithoutCancel(r.Context()), r.PathValue("name"), how)
		if errors.Is(err, ErrUnknown) || errors.Is(err, ErrRefused) {
			result = nil
		}
		writeReload(w, result, err)
	})
	mux.HandleFunc("POST /api/services/{name}/rollback", func(w http.ResponseWriter, r *http.Request) {
		// A rollback runs to its end even if the client disconnects.
		writeResult(w, operator.Rollback(context.WithoutCancel(r.Context()), r.PathValue("name")))
	})
	mux.HandleFunc("POST /api/nodes/{id}/drain", func(w http.ResponseWriter, r *http.Request) {
		force, err := readForce(w, r)
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		// A drain runs to its end even if the client disconnects.
		writeResult(w, operator.Drain(context.WithoutCancel(r.Context()), r.PathValue("id"), force))
	})
	mux.HandleFunc("POST /api/nodes/{id}/undrain", func(w http.ResponseWriter, r *http.Request) {
		writeResult(w, operator.Undrain(r.PathValue("id")))
	})
	mux.HandleFunc("POST /api/reload", func(w http.ResponseWriter, r *http.Request) {
		// A reload runs to its end even if the client disconnects.
		result, err := operator.Reload(context.WithoutCancel(r.Context()), r.RemoteAddr+" "+agent(r))
		writeReload(w, result, err)
	})
	mux.HandleFunc("GET "+diffPath, func(w http.ResponseWriter, r *http.Request) {
		result, err := operator.Diff()
		writeReload(w, result, err)
	})
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

// readNodes reads the body {"nodes": N}.
func readNodes(w http.ResponseWriter, r *http.Request) (int, error) {
	var body struct {
		Nodes *int `json:"nodes"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || body.Nodes == nil {
		return 0, errors.New(`the body must be {"nodes": N}`)
	}
	return *body.Nodes, nil
}

// readForce reads the body {"force": true}, or no body.
func readForce(w http.ResponseWriter, r *http.Request) (bool, error) {
	var body struct {
		Force bool `json:"force"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil && err != io.EOF {
		return false, errors.New(`the body must be empty, or {"force": true}`)
	}
	return body.Force, nil
}

// readDeploy reads the body {"share": 0.1} or {"promote": true}. No body is a deploy to all nodes.
func readDeploy(w http.ResponseWriter, r *http.Request) (how status.Deploy, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	switch err := d.Decode(&how); {
	case err == io.EOF:
		return how, nil
	case err != nil:
		return how, errors.New(`the body must be empty, {"share": 0.1} or {"promote": true}`)
	case how.Share < 0 || how.Share >= 1:
		return how, errors.New("share must be above 0 and below 1")
	case how.Share > 0 && how.Promote:
		return how, errors.New("share and promote exclude each other")
	}
	return how, nil
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
