package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// maxDepth bounds the nesting of objects and lists in a token or a set of keys.
const maxDepth = 32

// parseObject reads a JSON object. Numbers become json.Number. It rejects input that parsers understand differently:
// duplicate names in an object at any depth, and bytes that are not UTF-8.
func parseObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil { // the decoder below does not notice text after the object
		return nil, fmt.Errorf("is not JSON: %w", usertext.JSONError(data, err))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := parseValue(d, maxDepth)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object")
	}
	return o, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	begin, nested := t.(json.Delim)
	if !nested {
		return t, nil
	}
	if depth == 0 {
		return nil, errors.New("is nested too deeply")
	}
	var v any
	if begin == '{' {
		v, err = parseMembers(d, depth-1)
	} else {
		v, err = parseElements(d, depth-1)
	}
	if err != nil {
		return nil, err
	}
	_, err = d.Token() // the closing delimiter
	return v, err
}

func parseMembers(d *json.Decoder, depth int) (map[string]any, error) {
	members := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, duplicate := members[name]; duplicate {
			return nil, errors.New("has a duplicate name in an object")
		}
		if members[name], err = parseValue(d, depth); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func parseElements(d *json.Decoder, depth int) ([]any, error) {
	var elements []any
	for d.More() {
		v, err := parseValue(d, depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, v)
	}
	return elements, nil
}
