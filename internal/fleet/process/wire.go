package process

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

// A message between tenfold and the reaper is a JSON object with its length in front (four bytes, big endian). Open
// files travel with the length (SCM_RIGHTS). A reaper may be older than its tenfold: it was started before an upgrade.
// So fields and verbs are added, never changed, and a reader ignores what it does not know.
type message struct {
	Verb string `json:"verb"` // see below
	// Number joins the reply to a start with its message.
	Number uint64 `json:"number,omitempty"`
	ID     string `json:"id,omitempty"`  // of a node
	Tag    string `json:"tag,omitempty"` // of the fleet
	Child  *child `json:"child,omitempty"`
	PID    int    `json:"pid,omitempty"`
	Errno  int    `json:"errno,omitempty"` // of a start that the kernel refused
	Error  string `json:"error,omitempty"`
	Exit   *exit  `json:"exit,omitempty"`
}

// Verbs of tenfold.
const (
	verbFleet = "fleet" // the first message: the tag of the fleet
	verbStart = "start" // a child, with the file that it writes to and the one that reads from there
	verbStop  = "stop"  // SIGTERM
	verbKill  = "kill"  // SIGKILL
	verbSeen  = "seen"  // the end of a node was processed: the reaper forgets the node
	verbEnd   = "end"   // end everything that is left
)

// Verbs of the reaper.
const (
	verbHello   = "hello"   // it works
	verbStarted = "started" // reply to start
	verbEnded   = "ended"   // a node has ended
)

const (
	maxMessage    = 16 << 20 // bytes; the kernel takes at most 6 MiB of arguments and environment
	maxFiles      = 16       // of one message
	writePatience = 10 * time.Second
)

// link is one end of a connection between tenfold and the reaper. send may be called concurrently.
type link struct {
	conn *net.UnixConn
	mu   sync.Mutex // guards writes
}

// newLink makes a link of one end of a socket pair, and takes over the file.
func newLink(file *os.File) (*link, error) {
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
	return &link{conn: socket}, nil
}

// socketPair returns two joined sockets.
func socketPair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock() // no child gets them before they are marked
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

// send writes a message with open files, which stay open. When the reader does not read, send fails after
// writePatience. After an error the link is closed: the reader would not find the begin of the next message.
func (l *link) send(m message, files ...*os.File) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
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

// receive reads a message and the open files that came with it. It may be called by one goroutine.
func (l *link) receive() (m message, files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	var length [4]byte
	rights := make([]byte, syscall.CmsgSpace(4*maxFiles))
	for n := 0; n < len(length); {
		read, oob, _, _, err := l.conn.ReadMsgUnix(length[n:], rights)
		if err != nil {
			return m, files, err
		}
		if read == 0 {
			return m, files, io.EOF
		}
		got, err := openFiles(rights[:oob])
		files = append(files, got...)
		if err != nil {
			return m, files, err
		}
		n += read
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxMessage {
		return m, files, fmt.Errorf("a message of %d bytes", size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(l.conn, text); err != nil {
		return m, files, err
	}
	return m, files, json.Unmarshal(text, &m)
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

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func (l *link) close() { l.conn.Close() }
