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

// copied writes the text of r to the output of a node "n". It returns what the output writes, and the tail.
func copied(r io.Reader) (string, []string) {
	var b bytes.Buffer
	o := newOutput(&b)
	go o.run()
	lines := newTail(o, "n")
	lines.copy(r)
	o.close()
	return b.String(), lines.last()
}

func TestEachLineHasThePrefix(t *testing.T) {
	long := strings.Repeat("x", lineBytes)
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                            {"", ""},
		"lines":                              {"a\nb\n", "n | a\nn | b\n"},
		"an empty line":                      {"a\n\nb\n", "n | a\nn | \nn | b\n"},
		"a last line without a line end":     {"a\nb", "n | a\nn | b\n"},
		"line ends of Windows":               {"a\r\nb\r\n", "n | a\nn | b\n"},
		"bytes that are not text":            {"\x00\xff\x1b[1m\n", "n | \x00\xff\x1b[1m\n"},
		"a line that just fits":              {long[1:] + "\nb\n", "n | " + long[1:] + "\nn | b\n"},
		"a line whose line end does not fit": {long + "\nb\n", "n | " + long + "\nn | b\n"},
		"a line that is too long":            {long + "y\nb\n", "n | " + long + "\nn | y\nn | b\n"},
		"a long line without a line end":     {long + long + "y", "n | " + long + "\nn | " + long + "\nn | y\n"},
		"an empty line after a long one":     {long + "\n\n", "n | " + long + "\nn | \n"},
		"a long line at the end":             {long, "n | " + long + "\n"},
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

func TestTailKeepsTheLastLines(t *testing.T) {
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
		t.Errorf("the last line is %q (%d bytes)", end, len(end))
	}
}

// stuck is a writer that blocks, such as a terminal that was stopped with Ctrl-S.
type stuck struct {
	bytes.Buffer
	resume chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.resume
	return s.Buffer.Write(p)
}

func TestBlockedWriterDropsLinesAndDoesNotBlockNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{resume: make(chan struct{})}
		o := newOutput(w)
		go o.run()
		lines := newTail(o, "n")
		begun := time.Now()
		const n = 10 * queuedLines
		lines.copy(strings.NewReader(strings.Repeat("chatter\n", n)))
		if took := time.Since(begun); took != queuePatience {
			t.Errorf("the node was blocked for %v, want %v once", took, queuePatience)
		}
		close(w.resume)
		o.close()
		got := strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
		written := slices.DeleteFunc(slices.Clone(got), func(line string) bool { return line != "n | chatter" })
		reported := fmt.Sprintf("tenfold | %d lines of output dropped: the reader was too slow", n-len(written))
		if !slices.Contains(got, reported) || len(got) != len(written)+1 {
			t.Errorf("%d lines, %d of them written, no line %q: %q", n, len(written), reported, got[:3])
		}
	})
}

func TestCloseDoesNotWaitForABlockedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{resume: make(chan struct{})}
		o := newOutput(w)
		go o.run()
		o.put([]byte("n | a\n"))
		begun := time.Now()
		o.close()
		if took := time.Since(begun); took != flushPatience {
			t.Errorf("close took %v, want %v", took, flushPatience)
		}
		close(w.resume)
	})
}

// FuzzTail checks that the output has every byte that a node writes, except line ends.
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
