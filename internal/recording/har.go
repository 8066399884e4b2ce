package recording

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// entry is one request of a HAR file, in the form of HAR 1.2 and of the fields that Chromium adds.
type entry struct {
	Started  time.Time `json:"startedDateTime"`
	Time     float64   `json:"time"` // milliseconds
	Type     string    `json:"_resourceType"`
	Request  request   `json:"request"`
	Response response  `json:"response"`

	url *url.URL
}

type request struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers []nameValue `json:"headers"`
	Cookies []nameValue `json:"cookies"`
	Post    *struct {
		Type   string      `json:"mimeType"`
		Text   string      `json:"text"`
		Params []nameValue `json:"params"`
	} `json:"postData"`
}

type response struct {
	Status  int         `json:"status"`
	Headers []nameValue `json:"headers"`
	Cookies []nameValue `json:"cookies"`
	Content struct {
		Type     string `json:"mimeType"`
		Text     string `json:"text"`
		Encoding string `json:"encoding"`
	} `json:"content"`
}

type nameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

const (
	maxEntries   = 100_000
	maxResponse  = 1 << 20  // bytes of one response that are searched for values
	maxResponses = 64 << 20 // of all of them
)

// readHAR reads the entries of a HAR file in the order of their times. It reads one entry after another, so that its
// memory does not depend on the bodies that are not needed.
func readHAR(r io.Reader) ([]entry, error) {
	limited := &io.LimitedReader{R: skipMark(r), N: maxFile + 1}
	d := json.NewDecoder(limited)
	entries, err := readLog(d)
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	case err != nil:
		return nil, err
	case len(entries) == 0:
		return nil, errors.New("the HAR file has no requests")
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.Started.Compare(b.Started) })
	return entries, nil
}

// readLog reads {"log": {..., "entries": [...]}}.
func readLog(d *json.Decoder) (entries []entry, err error) {
	found := false
	err = object(d, func(key string) error {
		if key != "log" {
			return skip(d)
		}
		return object(d, func(key string) error {
			if key != "entries" {
				return skip(d)
			}
			found = true
			entries, err = readEntries(d)
			return err
		})
	})
	if err == nil && !found {
		err = errors.New("not a HAR file: it has no log.entries")
	}
	return entries, err
}

func readEntries(d *json.Decoder) (entries []entry, err error) {
	if err := expect(d, json.Delim('[')); err != nil {
		return nil, err
	}
	kept := 0
	for d.More() {
		var e entry
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("not a HAR file: entry %d: %w", len(entries)+1, plain(err))
		}
		if len(entries) == maxEntries {
			return nil, fmt.Errorf("more than %d requests", maxEntries)
		}
		e.decodeBody()
		if kept += len(e.Response.Content.Text); len(e.Response.Content.Text) > maxResponse || kept > maxResponses {
			kept -= len(e.Response.Content.Text)
			e.Response.Content.Text = ""
		}
		if e.url, err = url.Parse(e.Request.URL); err != nil {
			e.url = &url.URL{}
		}
		entries = append(entries, e)
	}
	return entries, expect(d, json.Delim(']'))
}

// decodeBody decodes a body that the browser has written in base64. A body that is not text is dropped.
func (e *entry) decodeBody() {
	c := &e.Response.Content
	if c.Encoding != "base64" {
		return
	}
	data, err := base64.StdEncoding.DecodeString(c.Text)
	if err != nil || !isText(c.Type) {
		data = nil
	}
	c.Text, c.Encoding = string(data), ""
}

func isText(mime string) bool {
	return strings.HasPrefix(mime, "text/") || strings.Contains(mime, "json") || strings.Contains(mime, "xml")
}

// header returns the values of a header field.
func header(all []nameValue, name string) (values []string) {
	for _, h := range all {
		if strings.EqualFold(h.Name, name) {
			values = append(values, h.Value)
		}
	}
	return values
}

// object reads a JSON object and calls field for each key, which must read the value.
func object(d *json.Decoder, field func(key string) error) error {
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return plain(err)
		}
		key, _ := t.(string)
		if err := field(key); err != nil {
			return err
		}
	}
	return expect(d, json.Delim('}'))
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	switch {
	case err != nil:
		return plain(err)
	case t != want:
		return fmt.Errorf("not a HAR file: want %v at byte %d", want, d.InputOffset())
	}
	return nil
}

func skip(d *json.Decoder) error {
	var ignored json.RawMessage
	return plain(d.Decode(&ignored))
}

// plain rewrites an error of package json without the names of Go types.
func plain(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var noTime *time.ParseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return fmt.Errorf("%s has the type %s", wrong.Field, wrong.Value)
	case errors.As(err, &noTime):
		return errors.New("startedDateTime is not a time")
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: %v at byte %d", syntax, syntax.Offset)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file is cut off")
	}
	return err
}
