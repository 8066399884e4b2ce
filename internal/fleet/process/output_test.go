package process

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// copied runs text through the output of a node called "n" and returns what comes out, and the tail.
func copied(r io.Reader) (string, []string) {
	var b bytes.Buffer
	o := newOutput(&b)
	go o.run()
	lines := newTail(o, "n")
	lines.copy(r)
	o.close()
	return b.String(), lines.last()
}

func TestEachLineGetsThePrefix(t *testing.T) {
	long := strings.Repeat("x", lineBytes)
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                       {"", ""},
		"lines":                         {"a\nb\n", "n | a\nn | b\n"},
		"an empty line":                 {"a\n\nb\n", "n | a\nn | \nn | b\n"},
		"the end without an end":        {"a\nb", "n | a\nn | b\n"},
		"the ends of Windows":           {"a\r\nb\r\n", "n | a\nn | b\n"},
		"bytes that are not text":       {"\x00\xff\x1b[1m\n", "n | \x00\xff\x1b[1m\n"},
		"a line that just fits":         {long[1:] + "\nb\n", "n | " + long[1:] + "\nn | b\n"},
		"a line with its end cut off":   {long + "\nb\n", "n | " + long + "\nn | b\n"},
		"a line that is too long":       {long + "y\nb\n", "n | " + long + "\nn | y\nn | b\n"},
		"a long line without an end":    {long + long + "y", "n | " + long + "\nn | " + long + "\nn | y\n"},
		"an empty line after a long":    {long + "\n\n", "n | " + long + "\nn | \n"},
		"a long line, its end, the end": {long, "n | " + long + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
				if got, _ := copied(r); got != c.want {
					t.Errorf("got %.80q (%d bytes), want %.80q (%d bytes)", got, len(got), c.want, len(c.want))
				}
			}
		})
	}
}

func TestTheLastLinesAreKept(t *testing.T) {
	var in strings.Builder
	for i := range 100 {
		fmt.Fprintf(&in, "line %d\n", i)
	}
	in.WriteString("\xff" + strings.Repeat("é", tailBytes))
	_, last := copied(strings.NewReader(in.String()))
	if len(last) != tailLines || last[0] != "line 81" || last[tailLines-2] != "line 99" {
		t.Errorf("kept %q", last)
	}
	if end := last[tailLines-1]; !strings.HasPrefix(end, "\uFFFDé") || len(end) > tailBytes+6 {
		t.Errorf("the last one is %q (%d bytes)", end, len(end))
	}
}

// stuck is a terminal that was stopped with Ctrl-S.
type stuck struct {
	bytes.Buffer
	resume chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.resume
	return s.Buffer.Write(p)
}

func TestAStuckTerminalCostsLinesNotProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{resume: make(chan struct{})}
		o := newOutput(w)
		go o.run()
		lines := newTail(o, "n")
		begun := time.Now()
		const n = 10 * queuedLines
		lines.copy(strings.NewReader(strings.Repeat("chatter\n", n)))
		if took := time.Since(begun); took != queuePatience {
			t.Errorf("the node was held up for %v, want %v once", took, queuePatience)
		}
		close(w.resume)
		o.close()
		got := strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
		written := slices.DeleteFunc(slices.Clone(got), func(line string) bool { return line != "n | chatter" })
		reported := fmt.Sprintf("tenfold | %d lines of output dropped: they were not taken fast enough", n-len(written))
		if !slices.Contains(got, reported) || len(got) != len(written)+1 {
			t.Errorf("of %d lines %d were written, and not %q: %q", n, len(written), reported, got[:3])
		}
	})
}

func TestClosingDoesNotWaitForAStuckTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{resume: make(chan struct{})}
		o := newOutput(w)
		go o.run()
		o.put([]byte("n | a\n"))
		begun := time.Now()
		o.close()
		if took := time.Since(begun); took != flushPatience {
			t.Errorf("closing took %v, want %v", took, flushPatience)
		}
		close(w.resume)
	})
}

// FuzzTail: whatever a node writes comes out again, apart from ends of lines.
func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\x00\xff"))
	f.Add(bytes.Repeat([]byte("x"), 2*lineBytes+1))
	f.Fuzz(func(t *testing.T, in []byte) {
		if bytes.Count(in, []byte("\n")) > queuedLines/2 {
			return // more at once may be dropped
		}
		out, last := copied(bytes.NewReader(in))
		if len(last) > tailLines {
			t.Fatalf("%d lines kept", len(last))
		}
		var got []byte
		for line := range strings.Lines(out) {
			text, ok := strings.CutPrefix(line, "n | ")
			if !ok || !strings.HasSuffix(text, "\n") || len(text) > lineBytes+1 {
				t.Fatalf("line %.80q", line)
			}
			got = append(got, text[:len(text)-1]...)
		}
		ends := func(b []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\n"), nil), []byte("\r"), nil)
		}
		if !bytes.Equal(ends(got), ends(in)) {
			t.Fatalf("%d bytes became %d", len(in), len(got))
		}
	})
}
