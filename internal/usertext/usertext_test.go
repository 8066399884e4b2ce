package usertext

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeRemovesTheByteOrderMark(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"a":               "a",
		"\xef\xbb\xbfa":   "a",
		"\xef\xbb\xbf":    "",
		"a\r\nb\r\n":      "a\r\nb\r\n", // parsers read CRLF themselves
		"a\rb\r":          "a\nb\n",
		"a\u00a0\u00fc\n": "a\u00a0\u00fc\n",
	} {
		got, err := Decode([]byte(in))
		if string(got) != want || err != nil {
			t.Errorf("Decode(%q): got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestDecodeSaysWhyItRefusesATextAndWhere(t *testing.T) {
	for in, want := range map[string]string{
		"\xff\xfea\x00":             "line 1, column 1: the file is UTF-16",
		"\xfe\xff\x00a":             "line 1, column 1: the file is UTF-16",
		"a\x00b\x00":                "line 1, column 1: the file is UTF-16", // without a byte order mark
		"\x00a\x00b":                "line 1, column 1: the file is UTF-16",
		"\xff\xfe\x00\x00a\x00":     "line 1, column 1: the file is UTF-32",
		"\x00\x00\xfe\xff":          "line 1, column 1: the file is UTF-32",
		"a\n\u00fc\xfc":             "line 2, column 2: the file is not valid UTF-8 here",
		"a\x00b":                    "line 1, column 2: there is a control character (NUL) here",
		"ab\nc\x00":                 "line 2, column 2: there is a control character (NUL) here",
		"\xef\xbb\xbfab\nc\xc3\x28": "line 2, column 2: the file is not valid UTF-8 here",
	} {
		_, err := Decode([]byte(in))
		if err == nil || err.Error() != want || HintOf(err) == "" {
			t.Errorf("Decode(%q): got %v, hint %q; want %s", in, err, HintOf(err), want)
		}
	}
}

func TestReadRefusesALargeText(t *testing.T) {
	if _, err := Read(strings.NewReader(strings.Repeat("a", 1<<20+1)), 1<<20); err == nil ||
		err.Error() != "larger than 1 MiB" {
		t.Errorf("got %v", err)
	}
}

func readAll(c *CSV) (rows [][]string, err error) {
	for {
		row, err := c.Read()
		if err == io.EOF {
			return rows, nil
		} else if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestCSVReadsWhatSpreadsheetsWrite(t *testing.T) {
	want := [][]string{{"id", "name"}, {"1", "ann"}, {"2", ""}}
	for _, text := range []string{
		"id,name\n1,ann\n2,\n",
		"id,name\r\n1,ann\r\n2,\r\n",
		"id;name\n1;ann\n2;\n",
		"id\tname\n1\tann\n2\t\n",
		"sep=;\r\nid;name\r\n1;ann\r\n2;\r\n",
		"id, name\n1, ann\n2, \n",
		" id ,\u00a0name\u00a0\n1,\u00a0ann\t\n2,\u00a0\n",
		"\n\nid,name\n\n1,ann\n \n2,\n\u00a0\n\n",
		"\"id\",\"name\"\n\"1\",\"ann\"\n2,\"\"",
		"id, \"name\"\n1, \"ann\"\n2,\n",
	} {
		rows, err := readAll(NewCSV([]byte(text)))
		if err != nil || !reflect.DeepEqual(rows, want) {
			t.Errorf("%q: got %q, %v", text, rows, err)
		}
	}
}

func TestCSVKeepsWhatIsInQuotes(t *testing.T) {
	rows, err := readAll(NewCSV([]byte("a;b\n\" x,y; \";\"1\n2\"\n\"\u00e4 \"; z \n\"\"\n")))
	want := [][]string{{"a", "b"}, {" x,y; ", "1\n2"}, {"\u00e4 ", "z"}, {""}}
	if err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("got %q, %v", rows, err)
	}
}

func TestCSVKeepsLineNumbers(t *testing.T) {
	c := NewCSV([]byte("sep=;\n\na;b\n\n1;2\n"))
	for _, want := range []int{3, 5} {
		if _, err := c.Read(); err != nil || c.Line() != want {
			t.Errorf("got line %d, %v; want %d", c.Line(), err, want)
		}
	}
}

func TestCSVErrorsHaveALineAndAHint(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb\"c":     `line 2: a quote (") inside a field that does not begin with one`,
		"a\n\"b\"c\n": `line 2: a field in quotes (") does not end, or has text after its closing quote`,
	} {
		_, err := readAll(NewCSV([]byte(text)))
		if err == nil || err.Error() != want || HintOf(err) == "" {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("id,name\n1, \"a\"\n")
	f.Add("sep=;\n\u00a0a;\"b\nc\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		c := NewCSV([]byte(text))
		for {
			if _, err := c.Read(); err != nil {
				return
			}
		}
	})
}

func TestJSONErrorHasAPlace(t *testing.T) {
	for text, want := range map[string]string{
		"{\n \u00a0\"a\": 1}": "line 2, column 2: there is a no-break space (U+00A0) here",
		"{\n  \"\u00fc\" 1}":  "line 2, column 7: invalid character '1' after object key",
	} {
		var v any
		err := JSONError([]byte(text), json.Unmarshal([]byte(text), &v))
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if other := errors.New("other"); JSONError(nil, other) != other {
		t.Error("another error must stay as it is")
	}
}

func TestCheckNumberRefusesWhatCanMeanTwoNumbers(t *testing.T) {
	for text, hint := range map[string]string{
		"1.000":     "write 1000 or 1",
		"1.500":     "write 1500 or 1.5",
		"12.345":    "write 12345 or 12.3450",
		"1.000.000": "write 1000000",
		"1.500ms":   "write 1500ms or 1.5ms",
		"2.000 MiB": "write 2000 MiB or 2 MiB",
		"-1.000":    "write -1000 or -1",
		"1.000/s":   "write 1000/s or 1/s",
	} {
		if err := CheckNumber(text); HintOf(err) != hint {
			t.Errorf("%q: got %v with the hint %q, want the hint %q", text, err, HintOf(err), hint)
		}
	}
	for _, text := range []string{
		"", "1", "1000", "0.500", "0.125", "1.5", "1.0000", "1.00", "1234.567", "1,000", "a.000", "1e3", "127.0.0.1",
		"10.000.1",
	} {
		if err := CheckNumber(text); err != nil {
			t.Errorf("%q: got %v, want no error", text, err)
		}
	}
}

func TestEscapeURL(t *testing.T) {
	for in, want := range map[string]string{
		"/s?q=red shoe":         "/s?q=red%20shoe",
		"/s?q=\u00fc":           "/s?q=%C3%BC",
		"/s?q=red%20shoe&x=a+b": "/s?q=red%20shoe&x=a+b",
		"100% wool":             "100%25%20wool",
		"50%":                   "50%25",
		"%2":                    "%252",
		"a\"<>\\^`{|}b":         "a%22%3C%3E%5C%5E%60%7B%7C%7Db",
		"a\nb\x7f\u00a0":        "a%0Ab%7F%C2%A0",
		"~!$&'()*+,;=:@/?[]":    "~!$&'()*+,;=:@/?[]",
	} {
		got := EscapeURL(in, "")
		if got != want || EscapeURL(got, "") != got {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := EscapeURL("C#&D", "#&"); got != "C%23%26D" {
		t.Errorf("got %q", got)
	}
}

func FuzzEscapeURL(f *testing.F) {
	f.Add("/s?q=red shoe#%zz")
	f.Fuzz(func(t *testing.T, text string) {
		escaped := EscapeURL("/"+text, "#")
		u, err := url.Parse("http://h" + escaped)
		if err != nil || strings.ContainsAny(u.RequestURI(), " \r\n\t\x00") {
			t.Errorf("%q: got %q, %v", text, escaped, err)
		}
	})
}
