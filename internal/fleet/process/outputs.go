package process

import (
	"errors"
	"os"
	"time"
)

// Names of the outputs of a node.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// pipes are the two outputs of a node.
type pipes struct{ stdout, stderr pipe }

// pipe is one output of a node.
type pipe struct{ read, write *os.File }

func newPipes() (*pipes, error) {
	p := &pipes{}
	var err, errToo error
	p.stdout.read, p.stdout.write, err = os.Pipe()
	p.stderr.read, p.stderr.write, errToo = os.Pipe()
	if err = errors.Join(err, errToo); err != nil {
		p.closeWrites()
		p.reads().close()
		return nil, err
	}
	return p, nil
}

func (p *pipes) reads() outputs { return outputs{p.stdout.read, p.stderr.read} }

// closeWrites closes the ends that the process has its own copies of.
func (p *pipes) closeWrites() { outputs{p.stdout.write, p.stderr.write}.close() }

// outputs are the reading ends: of standard output, and of standard error.
type outputs [2]*os.File

// outputsOf returns the outputs that were received as files.
func outputsOf(files []*os.File) outputs { return outputs{files[0], files[1]} }

func (o outputs) close() {
	for _, f := range o {
		if f != nil {
			f.Close()
		}
	}
}

// interrupt ends the reads of both.
func (o outputs) interrupt() {
	for _, f := range o {
		f.SetReadDeadline(time.Now())
	}
}
