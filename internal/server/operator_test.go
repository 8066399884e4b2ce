package server

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

func TestErrorsOfTheFleetAreTranslatedForTheConsole(t *testing.T) {
	other := errors.New("new node: exit status 1")
	for fleetError, want := range map[error]error{
		fleet.ErrUnknownService: console.ErrUnknown,
		fleet.ErrUnknownNode:    console.ErrUnknown,
		fleet.ErrStatic:         console.ErrRefused,
		fleet.ErrRemote:         console.ErrRefused,
		fleet.ErrBusy:           console.ErrRefused,
		fleet.ErrSize:           console.ErrRefused,
		fleet.ErrNotRunning:     console.ErrRefused,
		other:                   other,
	} {
		err := fmt.Errorf("restart service %q: %w", "shop", fleetError)
		got := translate(err)
		if !errors.Is(got, want) || !errors.Is(got, fleetError) || got.Error() != err.Error() {
			t.Errorf("%v became %v, want the same text and %v", err, got, want)
		}
	}
	if translate(nil) != nil {
		t.Error("nil became an error")
	}
}
