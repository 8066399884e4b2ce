package process

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// copied copies the text of r as the output of a node "n". It returns the lines that are passed on, and the tail.
func copied(r io.Reader) (string, []string) {
	var b bytes.Buffer
	lines := newTail(func(node, _ string, line []byte) { fmt.Fprintf(&b, "%s | %s\n", node, line) }, "n")
	lines.copy(Stdout, r)
	return b.String(), lines.last()
}

func TestEachLineIsPassedOn(t *testing.T) {
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

// FuzzTail checks that the output has every byte that a node writes, except line ends.
func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\x00\xff"))
	f.Add(bytes.Repeat([]byte("x"), 2*lineBytes+1))
	f.Fuzz(func(t *testing.T, in []byte) {
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

// Lines of standard output and of standard error are told apart, and each output keeps its order.
func TestOutputsAreToldApart(t *testing.T) {
	var mu sync.Mutex
	got := map[string][]string{}
	p, err := newPipes()
	if err != nil {
		t.Fatal(err)
	}
	lines := newTail(func(_, stream string, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		got[stream] = append(got[stream], string(line))
	}, "n")
	copied := lines.copyAll(p.reads())
	for i := range 3 {
		fmt.Fprintf(p.stdout.write, "out %d\n", i)
		fmt.Fprintf(p.stderr.write, "err %d\n", i)
	}
	p.closeWrites()
	<-copied
	p.reads().close()
	if out, err := strings.Join(got[Stdout], ","), strings.Join(got[Stderr], ","); out != "out 0,out 1,out 2" || err != "err 0,err 1,err 2" {
		t.Errorf("got %q and %q", out, err)
	}
	if last := lines.last(); len(last) != 6 {
		t.Errorf("kept %q", last)
	}
}
