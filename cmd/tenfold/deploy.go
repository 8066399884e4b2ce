package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

type deployCmd struct {
	adminFlags
	Service string        `arg:"" help:"Service to deploy."`
	Share   requestsShare `placeholder:"SHARE" help:"Start nodes of the new version next to the old ones, for this share of the requests: 10%."`
	Promote bool          `help:"Make the version that gets a share the version of all nodes."`
	JSON    bool          `name:"json" help:"Print the result as JSON."`
}

// Help is the text below the summary.
func (deployCmd) Help() string {
	return `
Runs a service as the file says it now. The running tenfold reads the file again and checks all of it. If there is a problem,
nothing changes, deploy shows all problems as tenfold check does, and the exit code is 2.

Then the command of before runs, if the service has one, and the nodes are replaced one by one: a new node is ready before an
old one stops, and the old one finishes its requests. They are replaced also if the file is unchanged, because the program
may be new. If the command or a new node fails, all nodes are of the old version again, deploy shows what the new node wrote
last, and the exit code is 1.

Try a version on a part of the requests first, then on all of them:

    tenfold deploy shop --share 10%
    tenfold deploy shop --promote

The version before is kept until the next deploy:

    tenfold rollback shop
`
}

func (cmd deployCmd) Run(ctx context.Context, t *terminal) error {
	if cmd.Promote && cmd.Share > 0 {
		return usageError(errors.New("--share and --promote exclude each other"), "tenfold deploy --help")
	}
	body, err := json.Marshal(status.Deploy{Share: float64(cmd.Share), Promote: cmd.Promote})
	if err != nil {
		return err
	}
	code, answer, err := cmd.send(ctx, http.MethodPost, "/api/services/"+url.PathEscape(cmd.Service)+"/deploy", body)
	if err != nil {
		return err
	}
	r := &status.Reload{}
	if json.Unmarshal(answer, r) != nil || code != http.StatusOK && r.File == "" && len(r.Problems) == 0 {
		return explainDeploy(cmd.refusal(code, answer))
	}
	if cmd.JSON {
		return printReloadJSON(t.stdout, r)
	}
	switch {
	case len(r.Problems) > 0:
		return usageError(config.Problems(r.Problems), "nothing has changed: the running configuration stays in use")
	case code != http.StatusOK:
		return hinted(errors.New(r.Error), "the old nodes go on serving; correct the service and deploy again")
	}
	return cmd.report(ctx, t)
}

// report says which version runs now.
func (cmd deployCmd) report(ctx context.Context, t *terminal) error {
	s, err := cmd.service(ctx, cmd.Service)
	if err != nil {
		return err
	}
	if c := s.Canary; c != nil {
		_, err = fmt.Fprintf(t.stdout, "version %d of %s gets %s of the requests, version %d the rest\nnext: tenfold deploy %s --promote, or tenfold rollback %s\n",
			c.Version, cmd.Service, report.Percent(c.Share), s.Version, cmd.Service, cmd.Service)
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "deployed %s: %s%s\n", cmd.Service, versionOf(s), nodesOf(s))
	return err
}

// versionOf names the version of a service; a list of addresses has none.
func versionOf(s status.Service) string {
	if s.Version == 0 {
		return ""
	}
	return fmt.Sprintf("version %d on ", s.Version)
}

func nodesOf(s status.Service) string { return report.Count(s.Wanted, "node") }

// service returns the status of one service.
func (f adminFlags) service(ctx context.Context, name string) (status.Service, error) {
	var services []status.Service
	if err := f.get(ctx, "/api/services", &services); err != nil {
		return status.Service{}, err
	}
	for _, s := range services {
		if s.Name == name {
			return s, nil
		}
	}
	return status.Service{}, fmt.Errorf("service %q was removed in the meantime", name)
}

// explainDeploy adds a hint to a refused deploy.
func explainDeploy(err error) error {
	if c := conflictError(""); errors.As(err, &c) {
		return hinted(err, "tenfold status shows what runs and what is being changed; without a file, tenfold restart replaces the nodes")
	}
	return err
}
