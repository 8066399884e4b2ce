package recording

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,99}$`)

// Write writes the journey as a file that package journey reads. What was left out stands in comments at the top.
func (j *Journey) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# A journey from %s.\n", comment(j.Source))
	for _, n := range j.Notes {
		fmt.Fprintf(&b, "# - %s\n", comment(n))
	}
	if j.Target != "" {
		fmt.Fprintf(&b, "target: %s\n", quoted(j.Target))
	}
	b.WriteString("visitors:\n")
	for _, v := range j.Visitors {
		fmt.Fprintf(&b, "  - name: %s\n    weight: %s\n    steps:\n", quoted(v.Name), strconv.FormatFloat(v.Weight, 'f', -1, 64))
		for i, s := range v.Steps {
			s.write(&b, i == len(v.Steps)-1)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Step) write(b *strings.Builder, last bool) {
	fmt.Fprintf(b, "      - path: %s\n", quoted(s.Path))
	line := func(format string, args ...any) { fmt.Fprintf(b, "        "+format+"\n", args...) }
	if s.Method != "GET" && s.Method != "" {
		line("method: %s", s.Method)
	} else if s.HasBody {
		line("method: GET")
	}
	if len(s.Header) > 0 {
		line("headers:")
		for _, h := range s.Header {
			line("  %s: %s", h.Name, quoted(h.Value))
		}
	}
	if s.HasBody {
		line("body: %s", quoted(s.Body))
	}
	if s.Status != 0 {
		line("expect: {status: %d}", s.Status)
	}
	if len(s.Extract) > 0 {
		line("extract:")
		for _, e := range s.Extract {
			line("  %s: {%s: %s}", e.Name, e.Kind, quoted(e.Source))
		}
	}
	if s.Think > 0 && !last {
		line("think: %s", s.Think.Round(time.Millisecond))
	}
}

// quoted returns a text in double quotes. JSON's form of a text is one of YAML's.
func quoted(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // never fails for a text
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// comment returns a text for a comment: one line without control characters.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' || r == '\ufeff' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
