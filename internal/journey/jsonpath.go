package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// jsonPath leads to one value of a JSON document: $.items[0].id, $['odd name'], $[-1] for the last of a list.
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
		return p, wrong(hint, "%s is not a JSON path: it does not begin with $", quote(text))
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

// decodeJSON reads one document and nothing after it. Numbers stay as they are written.
func decodeJSON(data []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("the answer is not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("the answer is more than one JSON document")
	}
	return value, nil
}

// find returns the value at the path.
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

// jsonText is a value as it is put into a later request: a text without its quotes, anything else as JSON.
func jsonText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	text, _ := json.Marshal(value) // what was decoded can be encoded
	return string(text)
}
