package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tenfold-go/tenfold/internal/journey"
	"github.com/tenfold-go/tenfold/internal/recording"
)

type journeyCmd struct {
	From journeyFromCmd `cmd:"" help:"Write a journey from a HAR file or an access log."`
}

type journeyFromCmd struct {
	File   string           `arg:"" placeholder:"FILE" help:"HAR file of a browser, or access log; - reads standard input."`
	Format recording.Format `enum:"auto,har,tenfold,combined,httplog" default:"auto" placeholder:"auto|har|tenfold|combined|httplog" help:"Format of FILE; auto finds it."`
	Host   string           `placeholder:"HOST" help:"Host of the service, if FILE has several; default: that of the first page. Requests to others are left out."`
	Assets bool             `help:"Keep style sheets, scripts, images and fonts of the service."`
	Output output           `short:"o" default:"-" placeholder:"FILE" help:"Where the journey is written; default standard output."`
}

// Help shows examples.
func (journeyFromCmd) Help() string {
	return `
Writes a journey for tenfold load. A HAR file is a visit that a browser has recorded (developer tools, network, save all as
HAR): its steps, pauses, forms and redirects. An access log shows which paths visitors request, how often and in which order.

    tenfold journey from shop.har > journey.yaml
    tenfold load journey.yaml --target http://localhost:8080 --rates 5..200

    tenfold journey from /var/log/nginx/access.log > mix.yaml
    tenfold up ... 2> tenfold.log; tenfold journey from tenfold.log --assets > mix.yaml

Cookies, credentials and tokens are never copied. Each visit keeps its own cookies. A token that an earlier response has,
such as the hidden field of a form, is extracted from it; otherwise CHANGE_ME stands in its place, and a note says where.
Check the journey before you use it: what was left out stands in comments at its top, and on standard error.

Formats of access logs: tenfold (access records as JSON), combined (nginx, Apache; also common), httplog (HAProxy).
`
}

func (cmd journeyFromCmd) Run(ctx context.Context, t *terminal) error {
	if err := checkOutputs(t, cmd.Output); err != nil {
		return err
	}
	j, err := cmd.read(t)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := j.Write(&text); err != nil {
		return err
	}
	if _, err := journey.Parse("journey.yaml", text.Bytes(), "."); err != nil { // what is written can be used
		return fmt.Errorf("the journey of this recording would not be valid: %w", err)
	}
	for _, n := range j.Notes {
		fmt.Fprintf(t.stderr, "note: %s\n", n)
	}
	return cmd.Output.write(ctx, t, func(w io.Writer) error { _, err := w.Write(text.Bytes()); return err })
}

// read reads the recording.
func (cmd journeyFromCmd) read(t *terminal) (*recording.Journey, error) {
	name, r := "standard input", io.Reader(t.stdin)
	if cmd.File != "-" {
		f, err := os.Open(cmd.File)
		if err != nil {
			return nil, usageError(err, "")
		}
		defer f.Close()
		name, r = filepath.Base(cmd.File), f
	}
	o := recording.Options{Source: name, Host: cmd.Host, Assets: cmd.Assets}
	r, format := recording.DetectFormat(r, cmd.Format)
	var j *recording.Journey
	var err error
	if format == recording.HAR {
		j, err = recording.FromHAR(r, o)
	} else {
		j, err = recording.FromLog(r, format, o)
	}
	if err == nil {
		return j, nil
	}
	hint := ""
	if errors.Is(err, recording.ErrUnknownFormat) || strings.HasPrefix(err.Error(), "not a HAR file") {
		hint = "tenfold journey from --help lists the formats; --format names one"
	}
	return nil, usageError(fmt.Errorf("read %s: %w", name, err), hint)
}
