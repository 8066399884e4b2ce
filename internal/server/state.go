package server

import (
	"errors"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fdlink"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/output"
	"github.com/tenfold-go/tenfold/internal/socket"
	"github.com/tenfold-go/tenfold/internal/store"
	"github.com/tenfold-go/tenfold/internal/succession"
)

// state is what a successor must know. It travels as JSON, with open files in this order: the socket of the supervisor, the
// socket of the reaper if Reaper is set, and the listeners.
type state struct {
	PID       int              `json:"pid"`    // of the predecessor
	Config    string           `json:"config"` // what runs, as a file: the file on the disk may have changed
	Token     string           `json:"token"`  // of the admin address
	Process   process.Handover `json:"process"`
	Fleet     fleet.Handover   `json:"fleet"`
	Store     store.Handover   `json:"store"`
	Reaper    bool             `json:"reaper"`
	Listeners []handedListener `json:"listeners"`
	Lines     []output.Line    `json:"lines"` // what ReadLast returns
}

type handedListener struct {
	Address string `json:"address"` // as it was configured
	Name    string `json:"name,omitempty"`
}

// Inherited is what a tenfold has from the one that it succeeds.
type Inherited struct {
	Config *config.Config // what runs
	Token  string         // of the admin address
	PID    int            // of the predecessor

	predecessor *succession.Predecessor
	state       state
	supervised  *succession.Supervised
	reaper      *os.File // nil when no node was started
	sockets     []socket.Inherited
}

// Inherit takes over the state of a predecessor. From here on the predecessor waits.
func Inherit(p *succession.Predecessor) (*Inherited, error) {
	in := &Inherited{predecessor: p}
	files, err := p.Take(&in.state)
	if err != nil {
		return nil, err
	}
	if err := in.take(files); err != nil {
		fdlink.CloseAll(files)
		return nil, fmt.Errorf("take over from process %d: %w", in.state.PID, err)
	}
	in.Token, in.PID = in.state.Token, in.state.PID
	in.Config, err = config.Parse("running configuration", []byte(in.state.Config), nil)
	return in, err
}

// take gives each open file its place.
func (in *Inherited) take(files []*os.File) (err error) {
	want := 1 + len(in.state.Listeners)
	if in.state.Reaper {
		want++
	}
	if len(files) != want {
		return fmt.Errorf("%d open files instead of %d", len(files), want)
	}
	if in.supervised, err = succession.NewSupervised(files[0]); err != nil {
		return err
	}
	files = files[1:]
	if in.state.Reaper {
		in.reaper, files = files[0], files[1:]
	}
	for i, l := range in.state.Listeners {
		in.sockets = append(in.sockets, socket.Inherited{Address: l.Address, Name: l.Name, File: files[i]})
	}
	return nil
}

// offer describes this tenfold for a successor. From here on no node is started or stopped until resume or the release of
// the driver.
func (s *Server) offer() (st state, files []*os.File, err error) {
	st = state{PID: os.Getpid(), Config: string(s.config().File()), Token: s.token, Lines: s.logs.lastLines()}
	var reaper *os.File
	if st.Process, reaper, err = s.process.Offer(); err != nil {
		return st, nil, err
	}
	if reaper != nil {
		st.Reaper, files = true, append(files, reaper)
	}
	defer func() {
		if err != nil {
			fdlink.CloseAll(files)
			files = nil
			s.process.Resume()
		}
	}()
	if st.Store, err = s.store.Handover(); err != nil {
		return st, files, err
	}
	if st.Fleet, err = s.fleet.Handover(); err != nil {
		return st, files, errors.Join(ErrChanging, err)
	}
	listeners, err := s.sockets.Files()
	for _, l := range listeners {
		files = append(files, l.File)
		st.Listeners = append(st.Listeners, handedListener{l.Address, l.Name})
	}
	return st, files, err
}
