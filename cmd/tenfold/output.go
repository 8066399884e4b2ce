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

// output is the destination of a document: a file name, "-" for standard output, or "" for no output.
type output string

// checkOutputs checks, before a long measurement starts, that every output can be written. It fails if a file cannot be
// created, or if two documents would go to standard output.
func checkOutputs(t *terminal, outputs ...output) error {
	printed := 0
	for _, o := range outputs {
		if o.isStdout(t) {
			printed++
		}
		if err := o.check(t); err != nil {
			if p := (*fs.PathError)(nil); errors.As(err, &p) {
				err = p.Err // without the path, which can be that of the temporary file
			}
			return usageError(fmt.Errorf("write %s: %w", string(o), err), "want a file in an existing, writable directory")
		}
	}
	if printed > 1 {
		return usageError(errors.New("two documents for standard output"), "write one of them to a file")
	}
	return nil
}

// isStdout reports whether o is standard output, also under another name such as /dev/stdout.
func (o output) isStdout(t *terminal) bool {
	if o == "-" {
		return true
	}
	f, ok := unwrap(t.stdout).(*os.File)
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
		return errors.New("is a directory")
	case info != nil && !info.Mode().IsRegular():
		return nil
	}
	f, err := newTemporary(target)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write writes the whole document or nothing. A pipe or a device is written directly. If no reader opens a pipe until
// ctx ends, write fails.
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
		return writeDirect(ctx, target, document)
	}
	return replaceFile(target, info, document)
}

// target follows the links to the file to write, and returns its name and its FileInfo, or nil if it does not exist.
func (o output) target() (string, fs.FileInfo, error) {
	file := string(o)
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return file, info, nil
	}
	for range 40 { // the limit of Linux
		dir, err := filepath.EvalSymlinks(filepath.Dir(file))
		if err != nil {
			return "", nil, err
		}
		file = filepath.Join(dir, filepath.Base(file))
		next, err := os.Readlink(file)
		if err != nil { // not a link, or the file does not exist
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

// replaceFile writes a temporary file in the same directory and renames it when it is complete. It keeps the mode of
// the old file.
func replaceFile(file string, old fs.FileInfo, document func(io.Writer) error) (err error) {
	f, err := newTemporary(file)
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

// newTemporary creates an empty file in the directory of file, with the mode of any new file.
func newTemporary(file string) (*os.File, error) {
	name := "." + filepath.Base(file) + "." + rand.Text()[:8]
	return os.OpenFile(filepath.Join(filepath.Dir(file), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// writeDirect writes into an existing file, such as a pipe. Opening a pipe waits for a reader. If ctx ends during this
// wait, writeDirect fails, and its goroutine waits until the process ends.
func writeDirect(ctx context.Context, file string, document func(io.Writer) error) error {
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
		return fmt.Errorf("%s has no reader: %w", file, ctx.Err())
	}
}
