// Package fdlink connects two processes of tenfold on one machine. Over a link they send each other messages and open
// files.
//
// A message is a JSON value with its length in front (four bytes, big endian). Open files travel with the length
// (SCM_RIGHTS). The two processes may be of different versions of tenfold. So fields are added to messages, never changed,
// and a reader ignores what it does not know.
package fdlink

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// MaxMessage is the largest message, in bytes. The kernel takes at most 6 MiB of arguments and environment.
	MaxMessage = 16 << 20
	// MaxFiles is the largest number of open files of a message. The kernel's limit is 253.
	MaxFiles = 200
	// writePatience is how long a reader may not read until a write fails.
	writePatience = 10 * time.Second
)

// Link is one end of a connection. Send may be called concurrently, Receive by one goroutine.
type Link struct {
	conn *net.UnixConn
	mu   sync.Mutex // guards writes
}

// New makes a link of one end of a socket pair. It closes the file, also when it fails.
func New(file *os.File) (*Link, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("not a unix socket")
	}
	return &Link{conn: socket}, nil
}

// Pair returns two joined sockets. No other process inherits them.
func Pair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock() // no child is started before they are marked
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	return os.NewFile(uintptr(fds[0]), "socket pair"), os.NewFile(uintptr(fds[1]), "socket pair"), nil
}

// Send writes a message with open files, which stay open. When the reader does not read, Send fails after a while. After
// an error the link is closed: the reader would not find the begin of the next message. The error is [syscall.E2BIG] for
// a message that is too large, and then the link stays open.
func (l *Link) Send(message any, files ...*os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > MaxMessage || len(files) > MaxFiles {
		return syscall.E2BIG
	}
	return withDescriptors(files, nil, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = syscall.UnixRights(fds...)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conn.SetWriteDeadline(time.Now().Add(writePatience))
		length := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
		_, _, err := l.conn.WriteMsgUnix(length, rights, nil)
		if err == nil {
			_, err = l.conn.Write(text)
		}
		if err != nil {
			l.conn.Close()
		}
		return err
	})
}

// withDescriptors calls do with the descriptors of open files, without a change of their mode, as File.Fd would make.
func withDescriptors(files []*os.File, fds []int, do func(fds []int) error) error {
	if len(files) == 0 {
		return do(fds)
	}
	conn, err := files[0].SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = conn.Control(func(fd uintptr) { result = withDescriptors(files[1:], append(fds, int(fd)), do) })
	return cmp.Or(err, result)
}

// Receive reads a message and the open files that came with it. No other process inherits them. The error wraps io.EOF
// after the last message.
func (l *Link) Receive(message any) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			CloseAll(files)
			files = nil
		}
	}()
	var length [4]byte
	rights := make([]byte, syscall.CmsgSpace(4*MaxFiles))
	for n := 0; n < len(length); {
		read, oob, _, _, err := l.conn.ReadMsgUnix(length[n:], rights)
		if err != nil {
			return files, err
		}
		if read == 0 {
			return files, io.EOF
		}
		got, err := openFiles(rights[:oob])
		files = append(files, got...)
		if err != nil {
			return files, err
		}
		n += read
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > MaxMessage {
		return files, fmt.Errorf("a message of %d bytes", size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(l.conn, text); err != nil {
		return files, err
	}
	return files, json.Unmarshal(text, message)
}

// openFiles returns the files that the control data of a message contains.
func openFiles(oob []byte) (files []*os.File, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// CloseAll closes files.
func CloseAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// SetReadDeadline limits how long Receive waits; the zero time is no limit.
func (l *Link) SetReadDeadline(t time.Time) { l.conn.SetReadDeadline(t) }

// File returns another descriptor of this end, for a process that takes it over.
func (l *Link) File() (*os.File, error) { return l.conn.File() }

// Close closes this end. A Receive that waits fails.
func (l *Link) Close() { l.conn.Close() }
