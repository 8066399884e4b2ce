package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep objects and lists may be nested in a token or a set of keys.
const maxDepth = 32

// object reads a JSON object whose numbers stay as they are written. It refuses what parsers read in different ways: a name
// that comes twice in an object, at any depth, and bytes that are not UTF-8.
func object(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil { // the decoder's tokens alone would let what follows the object through
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := value(d, maxDepth)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object")
	}
	return o, nil
}

func value(d *json.Decoder, depth int) (any, error) {
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
	var all any
	if begin == '{' {
		all, err = members(d, depth-1)
	} else {
		all, err = elements(d, depth-1)
	}
	if err != nil {
		return nil, err
	}
	_, err = d.Token() // the end of it
	return all, err
}

func members(d *json.Decoder, depth int) (map[string]any, error) {
	all := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := all[name]; twice {
			return nil, errors.New("has a name twice in an object")
		}
		if all[name], err = value(d, depth); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func elements(d *json.Decoder, depth int) ([]any, error) {
	var all []any
	for d.More() {
		v, err := value(d, depth)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
