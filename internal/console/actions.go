package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/status"
)

// logActions logs each request that may change something, with its caller.
func logActions(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			log.Info("admin action", "method", r.Method, "path", r.URL.Path, "caller", r.RemoteAddr, "agent", agent(r))
		}
		next.ServeHTTP(w, r)
	})
}

// maxAgent limits what a record has of a User-Agent, in bytes.
const maxAgent = 100

func agent(r *http.Request) string {
	name := r.UserAgent()
	return name[:min(len(name), maxAgent)]
}

// actions are the handlers that call an operator.
type actions struct{ Operator }

// toEnd returns the context of an action that runs to its end even if the client disconnects.
func toEnd(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }

func (a actions) restart(w http.ResponseWriter, r *http.Request) {
	writeResult(w, a.Restart(toEnd(r), r.PathValue("name")))
}

func (a actions) scale(w http.ResponseWriter, r *http.Request) {
	nodes, err := readNodes(w, r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeResult(w, a.Scale(r.Context(), r.PathValue("name"), nodes))
}

func (a actions) deploy(w http.ResponseWriter, r *http.Request) {
	how, err := readDeploy(w, r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	result, err := a.Deploy(toEnd(r), r.PathValue("name"), how)
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrRefused) {
		result = nil
	}
	writeReload(w, result, err)
}

func (a actions) rollback(w http.ResponseWriter, r *http.Request) {
	writeResult(w, a.Rollback(toEnd(r), r.PathValue("name")))
}

func (a actions) drain(w http.ResponseWriter, r *http.Request) {
	force, err := readForce(w, r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeResult(w, a.Drain(toEnd(r), r.PathValue("id"), force))
}

func (a actions) undrain(w http.ResponseWriter, r *http.Request) {
	writeResult(w, a.Undrain(r.PathValue("id")))
}

func (a actions) reload(w http.ResponseWriter, r *http.Request) {
	result, err := a.Reload(toEnd(r), r.RemoteAddr+" "+agent(r))
	writeReload(w, result, err)
}

func (a actions) diff(w http.ResponseWriter, r *http.Request) {
	result, err := a.Diff()
	writeReload(w, result, err)
}

func (a actions) upgrade(w http.ResponseWriter, r *http.Request) {
	upgraded, err := a.Upgrade(toEnd(r))
	if err != nil {
		writeResult(w, err)
		return
	}
	writeJSON(w, http.StatusOK, upgraded)
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
