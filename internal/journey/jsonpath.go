package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// jsonPath is the path of one value in a JSON document, for example $.items[0].id or $['odd name']. $[-1] is the last
// value of a list.
type jsonPath struct {
	text  string
	steps []jsonStep
}

type jsonStep struct {
	key   string
	index int
	list  bool
}

func parseJSONPath(text string) (p jsonPath, err error) {
	const hint = "want for example $.items[0].id"
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return p, wrong(hint, "%s is not a JSON path: want a $ at the beginning", quote(text))
	}
	p.text = text
	for rest != "" {
		var s jsonStep
		switch {
		case strings.HasPrefix(rest, "['"):
			key, after, ok := strings.Cut(rest[2:], "']")
			if !ok {
				return p, wrong(hint, "%s is not a JSON path: [' is never closed", quote(text))
			}
			s.key, rest = key, after
		case rest[0] == '[':
			number, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if !ok || err != nil {
				return p, wrong(hint, "%s is not a JSON path: want a number between [ and ]", quote(text))
			}
			s.index, s.list, rest = n, true, after
		case rest[0] == '.':
			rest = rest[1:]
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			s.key, rest = rest[:end], rest[end:]
		}
		if s.key == "" && !s.list {
			return p, wrong(hint, "%s is not a JSON path", quote(text))
		}
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// decodeJSON parses one document. It fails if more text follows. Numbers keep the form in which they are written.
func decodeJSON(data []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("the response is not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("the response is more than one JSON document")
	}
	return value, nil
}

// find returns the value at the path in the document.
func (p jsonPath) find(value any) (any, bool) {
	for _, s := range p.steps {
		if s.list {
			list, ok := value.([]any)
			i := s.index
			if i < 0 {
				i += len(list)
			}
			if !ok || i < 0 || i >= len(list) {
				return nil, false
			}
			value = list[i]
			continue
		}
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[s.key]; !ok {
			return nil, false
		}
	}
	return value, true
}

// jsonText returns the form in which a value is put into a later request: a string without quotes, any other value as
// JSON.
func jsonText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	text, _ := json.Marshal(value) // cannot fail for a decoded value
	return string(text)
}
