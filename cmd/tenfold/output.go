package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// output is where a verb writes a document: the file that a flag names, "-" for standard output, "" for nowhere.
type output string

// checkOutputs says before anything is started whether every output can be written: what takes minutes to find out must
// not be lost to a slip of the pen.
func checkOutputs(t *terminal, outputs ...output) error {
	printed := 0
	for _, o := range outputs {
		if o.isStdout(t) {
			printed++
		}
		if err := o.check(t); err != nil {
			if p := (*fs.PathError)(nil); errors.As(err, &p) {
				err = p.Err // its path may be that of the trial
			}
			return usageError(fmt.Errorf("write %s: %w", string(o), err), "want a file in a directory that exists and may be written")
		}
	}
	if printed > 1 {
		return usageError(errors.New("standard output has room for one document"), "give the other one a file")
	}
	return nil
}

// isStdout also knows standard output by its other names, as /dev/stdout.
func (o output) isStdout(t *terminal) bool {
	if o == "-" {
		return true
	}
	f, ok := t.stdout.(*os.File)
	if !ok || o == "" {
		return false
	}
	is, err := f.Stat()
	named, errNamed := os.Stat(string(o))
	return err == nil && errNamed == nil && os.SameFile(is, named)
}

func (o output) check(t *terminal) error {
	if o == "" || o.isStdout(t) {
		return nil
	}
	target, info, err := o.target()
	switch {
	case err != nil:
		return err
	case info != nil && info.IsDir():
		return errors.New("it is a directory")
	case info != nil && !info.Mode().IsRegular():
		return nil
	}
	f, err := newBeside(target)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write writes a document whole or not at all. What is no regular file (a pipe, a device) is written as it stands, and
// stays what it is; the end of ctx gives up the wait for a reader.
func (o output) write(ctx context.Context, t *terminal, document func(io.Writer) error) error {
	if o == "" {
		return nil
	}
	if o.isStdout(t) {
		return document(t.stdout)
	}
	target, info, err := o.target()
	if err != nil {
		return err
	}
	if info != nil && !info.Mode().IsRegular() {
		return writeThrough(ctx, target, document)
	}
	return replaceFile(target, info, document)
}

// target follows the links to what is to be written, and describes it; nil when there is nothing yet.
func (o output) target() (string, fs.FileInfo, error) {
	file := string(o)
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return file, info, nil
	}
	for range 40 { // as many links as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(file))
		if err != nil {
			return "", nil, err
		}
		file = filepath.Join(dir, filepath.Base(file))
		next, err := os.Readlink(file)
		if err != nil { // no link, or nothing there
			if info, err = os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				return file, nil, nil
			}
			return file, info, err
		}
		if file = next; !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
	}
	return "", nil, errors.New("too many links")
}

// replaceFile writes a file beside its place and moves it there when it is whole. The mode of the file it replaces stays.
func replaceFile(file string, old fs.FileInfo, document func(io.Writer) error) (err error) {
	f, err := newBeside(file)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	err = document(f)
	if old != nil {
		err = errors.Join(err, f.Chmod(old.Mode().Perm()))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// newBeside makes an empty file for what will take the place of file. Its mode is that of any new file.
func newBeside(file string) (*os.File, error) {
	name := "." + filepath.Base(file) + "." + rand.Text()[:8]
	return os.OpenFile(filepath.Join(filepath.Dir(file), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// writeThrough writes into what is there. Opening a pipe waits for its reader, and nothing but a signal ends that wait:
// then the goroutine is left to the end of the process.
func writeThrough(ctx context.Context, file string, document func(io.Writer) error) error {
	written := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err == nil {
			err = errors.Join(document(f), f.Close())
		}
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return fmt.Errorf("nobody read %s: %w", file, ctx.Err())
	}
}
