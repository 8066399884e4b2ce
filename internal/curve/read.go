package curve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

const (
	maxBytes = 16 << 20 // a test of one day with one step per second stays far below
	maxRate  = 1e12
)

// MaxTargetNodes is the largest number of nodes behind a target.
const MaxTargetNodes = 100_000

// Read reads one JSON document of at most 16 MiB. It accepts a byte order mark. It ignores fields that it does not know,
// so that it can read the documents of later versions. It fails if the text is not one JSON document, if a value has the
// wrong type, or if the unit, an outcome, the objective or a knee is out of range.
func Read(r io.Reader) (*Document, error) {
	data, err := usertext.Read(r, maxBytes)
	if err != nil {
		return nil, err
	}
	d := Document{Unit: Requests}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&d); err != nil {
		if err == io.EOF {
			return nil, errors.New("the document is empty")
		}
		return nil, fmt.Errorf("not a load document: %w", plainError(data, err))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more text after the end of the JSON document")
	}
	return &d, d.check()
}

// plainError rewrites the error about a JSON value of the wrong type without the names of Go's types. It adds the place
// to an error about the syntax.
func plainError(text []byte, err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return usertext.JSONError(text, err)
	}
	what, want := "the document", "an object, as tenfold load writes it"
	if wrong.Field != "" {
		what, want = wrong.Field, "an object"
	}
	switch wrong.Type.Kind() {
	case reflect.Float64, reflect.Int, reflect.Int64, reflect.Uint64:
		want = "a number"
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Slice:
		want = "a list"
	}
	return fmt.Errorf("%s has the type %s: want %s", what, wrong.Value, want)
}

func (d *Document) check() error {
	switch d.Unit {
	case Requests, Visits:
	case "":
		d.Unit = Requests
	default:
		return fmt.Errorf("unit %q: want %s or %s", d.Unit, Requests, Visits)
	}
	if d.TargetNodes < 0 || d.TargetNodes > MaxTargetNodes {
		return fmt.Errorf("target_nodes %d: want a number from 1 to %d", d.TargetNodes, MaxTargetNodes)
	}
	for _, s := range d.Scaling {
		if s.Knee == nil {
			continue
		}
		if err := s.Knee.check(); err != nil {
			return fmt.Errorf("scaling, nodes %d: %w", s.Nodes, err)
		}
	}
	if d.Knee != nil {
		return d.Knee.check()
	}
	return nil
}

func (k Knee) check() error {
	switch {
	case !(k.Rate > 0 && k.Rate <= maxRate):
		return fmt.Errorf("knee rate %g: want above 0, up to %g", k.Rate, maxRate)
	case k.Low < 0 || k.Low > k.Rate:
		return fmt.Errorf("knee low %g: want 0 to the knee rate %g", k.Low, k.Rate)
	case k.High != 0 && k.High < k.Rate:
		return fmt.Errorf("knee high %g: want at least the knee rate %g", k.High, k.Rate)
	}
	return nil
}
