package journey

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

const shop = `
target: http://localhost:8080
data: {users: users.csv}
visitors:
  - name: buyer
    weight: 1
    steps:
      - {name: front, path: /, think: 1s..3s, expect: {contains: Shop}, extract: {product: {regexp: 'data-id="([a-z-]+)"'}, session: {cookie: sid}}}
      - name: log in
        path: /api/login
        headers: {Content-Type: application/json, Idempotency-Key: "${visit.id}"}
        body: '{"name": "${users.name|json}", "product": "${product}"}'
        expect: {status: [200, 201], json: {$.user.name: "${users.name}", "$.items[-1].n": 2}}
        extract: {next: {header: Location}, id: {json: '$.items[0].id'}}
        think: exp(2s)
      - {path: "${next}?id=${id|url}", method: DELETE}
  - name: looker
    weight: 3
    steps: [{path: /}]
`

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, text string) (*Journey, error) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "users.csv"), "name,password\n\"an \"\"odd\"\" one\",1\nbob,2\n")
	writeFile(t, filepath.Join(dir, "short.csv"), "name,password\nann,1\nbob\n")
	writeFile(t, filepath.Join(dir, "empty.csv"), "name,password\n")
	return Parse("j.yaml", []byte(text), dir)
}

func TestVisitKeepsCookiesAndValues(t *testing.T) {
	j, err := parse(t, shop)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("http://localhost:9000")
	v := j.VisitAs(j.Visitors[0], base)
	r, _ := walk(t, v, 0, &Response{
		Status: 200, Body: []byte(`<h1>Shop</h1><a data-id="fine-pen">`),
		Header: http.Header{"Set-Cookie": {"sid=abc; Path=/; HttpOnly", "other=1; Path=/elsewhere"}},
	})
	if r.Method != "GET" || r.URL.String() != "http://localhost:9000/" || r.Body != nil {
		t.Errorf("first request: %+v", r)
	}
	r, body := walk(t, v, 1, &Response{
		Status: 201, Header: http.Header{"Location": {"/orders/7"}},
		Body: []byte(`{"user": {"name": "an \"odd\" one"}, "items": [{"id": "a b"}, {"n": 2}]}`),
	})
	if r.Method != "POST" || body != `{"name": "an \"odd\" one", "product": "fine-pen"}` || r.Header.Get("Cookie") != "sid=abc" ||
		len(r.Header.Get("Idempotency-Key")) != 32 {
		t.Errorf("second request: %+v", r)
	}
	r, _ = walk(t, v, 2, &Response{Status: 204})
	if r.Method != "DELETE" || r.URL.String() != "http://localhost:9000/orders/7?id=a+b" {
		t.Errorf("third request: %s %s", r.Method, r.URL)
	}
	if v.values["session"] != "abc" {
		t.Errorf("values %v", v.values)
	}
}

// fixed is a transport that gives each request the same response and keeps the last request with its body.
type fixed struct {
	response *Response
	sent     *http.Request
	body     string
}

func (f *fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	f.sent, f.body = r, ""
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		f.body = string(body)
	}
	return &http.Response{StatusCode: f.response.Status, Header: f.response.Header, Body: io.NopCloser(bytes.NewReader(f.response.Body))}, nil
}

// walk makes a step that gets the response, and returns the request and its body.
func walk(t *testing.T, v *Visit, step int, response *Response) (*http.Request, string) {
	t.Helper()
	transport := &fixed{response: response}
	if _, err := v.Do(t.Context(), v.Steps[step], transport); err != nil {
		t.Fatal(err)
	}
	return transport.sent, transport.body
}

// Do returns an unexpected response together with the error. Without a response it returns the error of the transport.
func TestDoReturnsTheResponse(t *testing.T) {
	j, err := parse(t, "steps: [{path: /, expect: {contains: a}}]")
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("http://localhost")
	v := j.VisitAs(j.Visitors[0], base)
	r, err := v.Do(t.Context(), v.Steps[0], &fixed{response: &Response{Status: 200, Body: []byte("b")}})
	if r == nil || r.Status != 200 || string(r.Body) != "b" || err == nil {
		t.Errorf("%+v, %v", r, err)
	}
	broken := errors.New("broken")
	if _, err := v.Do(t.Context(), v.Steps[0], failing{broken}); !errors.Is(err, broken) {
		t.Errorf("%v, want the error of the transport", err)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestUnexpectedResponseEndsTheVisit(t *testing.T) {
	tests := []struct {
		step     string
		response Response
		kind     string
		full     string
	}{
		{"{path: /}", Response{Status: 503, Body: []byte("busy")}, "GET /: status 503", `status 503, want below 400; the response begins "busy"`},
		{"{path: /, expect: {status: 404}}", Response{Status: 200}, "GET /: status 200", "status 200, want 404; the response is empty"},
		{"{path: /, expect: {status: [201, 202]}}", Response{Status: 200, Body: []byte("hi")}, "GET /: status 200", `status 200, want 201 or 202; the response begins "hi"`},
		{"{path: /, expect: {contains: [a, b]}}", Response{Status: 200, Body: []byte("a")}, "GET /: body lacks a text", `lacks "b"`},
		{"{path: /, expect: {json: {$.a: 1}}}", Response{Status: 200, Body: []byte(`{"a": 2}`)}, "GET /: $.a differs", `$.a is "2", want "1"`},
		{"{path: /, expect: {json: {'$.a.b[3]': 1}}}", Response{Status: 200, Body: []byte(`{"a": {"b": [1]}}`)}, "GET /: $.a.b[3] is missing", "has no $.a.b[3]"},
		{"{path: /, expect: {json: {$.a: 1}}}", Response{Status: 200, Body: []byte("<html>")}, "GET /: the response is not JSON", "not JSON"},
		{"{path: /, extract: {id: {json: $.id}}}", Response{Status: 200, Body: []byte(`{}`)}, "GET /: extract id", "the response has no $.id"},
		{"{path: /, extract: {id: {header: X-Id}}}", Response{Status: 200}, "GET /: extract id", "no header X-Id"},
		{"{path: /, extract: {id: {cookie: sid}}}", Response{Status: 200}, "GET /: extract id", "no cookie sid"},
		{"{path: /, extract: {id: {regexp: 'id=(.)'}}}", Response{Status: 200, Body: []byte("none")}, "GET /: extract id", "no regexp id=(.)"},
	}
	base, _ := url.Parse("http://localhost")
	for _, test := range tests {
		j, err := parse(t, "steps: ["+test.step+"]")
		if err != nil {
			t.Fatal(err)
		}
		v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
		_, err = v.Do(t.Context(), v.Steps[0], &fixed{response: &test.response})
		var failed *Error
		if !errors.As(err, &failed) || failed.Kind() != test.kind || !strings.Contains(err.Error(), test.full) {
			t.Errorf("%s: %v, want %s and %q", test.step, err, test.kind, test.full)
		}
	}
}

// A value from a response must not lead the visit to another server or add a header.
func TestHostileValuesAreRefused(t *testing.T) {
	base, _ := url.Parse("http://localhost")
	for value, want := range map[string]string{
		"http://elsewhere.test/": "leads to another server",
		"//elsewhere.test/":      "leads to another server",
		"file:///etc/passwd":     "leads to another server",
		"http://localhost/ok":    "",
		"%zz":                    "is not valid",
	} {
		j, err := parse(t, `steps: [{path: /, extract: {to: {header: Location}}}, {path: "${to}"}]`)
		if err != nil {
			t.Fatal(err)
		}
		v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
		v.values["to"] = value
		if _, err := v.request(t.Context(), v.Steps[1]); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
	j, err := parse(t, `steps: [{path: /, extract: {x: {json: $.x}}}, {path: /, headers: {X: "${x}"}}]`)
	if err != nil {
		t.Fatal(err)
	}
	v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
	v.values["x"] = "a\r\nY: b"
	if _, err := v.request(t.Context(), v.Steps[1]); err == nil {
		t.Error("a header value with a line end was accepted")
	}
	j, err = parse(t, `steps: [{path: /, extract: {x: {json: $.x}}}, {path: /, headers: {Host: "${x}.test"}}]`)
	if err != nil {
		t.Fatal(err)
	}
	for value, valid := range map[string]bool{"shop": true, "red shoe": false, "\u00fc": false, "": true, "a/b": false} {
		v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
		v.values["x"] = value
		if _, err := v.request(t.Context(), v.Steps[1]); (err == nil) != valid {
			t.Errorf("host %q: got %v", value, err)
		}
	}
}

// A value of a CSV file or of a response is encoded where the URL cannot contain it.
func TestValuesInPathsAreEncoded(t *testing.T) {
	base, _ := url.Parse("http://localhost")
	for _, test := range []struct{ path, value, want string }{
		{"/s?q=${x}", "red shoe", "/s?q=red%20shoe"},
		{"/s?q=${x}", "\u00fc", "/s?q=%C3%BC"},
		{"/s?q=${x}", "C#", "/s?q=C%23"},
		{"/s?q=${x}&r=1", "Tom & Jerry", "/s?q=Tom%20%26%20Jerry&r=1"},
		{"/s?q=${x}", "100%", "/s?q=100%25"},
		{"/s?q=${x}", "red%20shoe", "/s?q=red%20shoe"},
		{"/s?q=${x}", "a\r\nHost: b", "/s?q=a%0D%0AHost:%20b"},
		{"/s?q=${x}", "\u00a0a\u00a0", "/s?q=%C2%A0a%C2%A0"},
		{"/s?q=${x|url}", "a b&c", "/s?q=a+b%26c"},
		{"/s?${x}", "a=1&b=2", "/s?a=1&b=2"},
		{"/p/${x}", "a b#c", "/p/a%20b%23c"},
		{"/p/${x}/y", "50% off", "/p/50%25%20off/y"},
		{"${x}", "/p/a b?c=\u00fc#top", "/p/a%20b?c=%C3%BC"},
		{"/caf\u00e9?q=red shoe|x", "", "/caf%C3%A9?q=red%20shoe%7Cx"},
	} {
		j, err := parse(t, `steps: [{path: /, extract: {x: {header: X}}}, {path: "`+test.path+`"}]`)
		if err != nil {
			t.Fatal(err)
		}
		v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
		v.values["x"] = test.value
		r, err := v.request(t.Context(), v.Steps[1])
		if err != nil || r.URL.RequestURI() != test.want {
			t.Errorf("%s with %q: got %v, %v; want %s", test.path, test.value, r, err, test.want)
		}
	}
}

func TestVisitorsAreDrawnByWeightAndUseRowsInOrder(t *testing.T) {
	j, err := parse(t, shop)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("http://localhost")
	random := rand.New(rand.NewPCG(1, 1))
	buyers := 0
	for i := range int64(4000) {
		v := j.Visit(base, i, random)
		if v.Name == "buyer" {
			buyers++
		}
		if name, _ := v.value("users.name"); (name == "bob") != (i%2 == 1) {
			t.Fatalf("visit %d uses the row of %s", i, name)
		}
	}
	if buyers < 900 || buyers > 1100 {
		t.Errorf("%d of 4000 visitors are buyers, want about 1000", buyers)
	}
}

// A test with the same seed must not use the user names of the previous test.
func TestTablesOfSpreadsheets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.csv")
	for _, text := range []string{
		"\ufeffname,mail\r\nann,a@x\r\nbob,\r\n",
		"name;mail\nann;a@x\nbob;\n",
		"sep=;\r\nname;mail\r\nann;a@x\r\nbob;\r\n\r\n",
		"name\tmail\nann\ta@x\nbob\t\n",
		"name, mail\nann, a@x\nbob, \n",
		"\u00a0name ,mail\u00a0\nann,\u00a0a@x\u00a0\nbob,\n",
		"name,mail\rann,a@x\rbob,\r",
	} {
		writeFile(t, file, text)
		table, err := readTable(file)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for i, want := range []string{"a@x", ""} {
			if got, ok := table.value(int64(i), "mail"); !ok || got != want || len(table.rows) != 2 {
				t.Errorf("%q: row %d has the mail %q, want %q", text, i, got, want)
			}
		}
	}
}

func TestTablesThatCannotBeReadSayWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.csv")
	for text, want := range map[string]string{
		"\xff\xfen\x00a\x00": file + ":1: the file is UTF-16",
		"name\nM\xfcller\n":  file + ":2: the file is not valid UTF-8 here",
		"name\na\"b\n":       file + `:2: a quote (") inside a field`,
		"name,name\na,b\n":   file + `: column "name"`,
		"first name\na\n":    file + `: column "first name"`,
		"na\u00a0me\na\n":    file + ": column",
	} {
		writeFile(t, file, text)
		_, err := readTable(file)
		if err == nil || !strings.HasPrefix(err.Error(), want) || usertext.HintOf(err) == "" {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestVisitIDsAreUnique(t *testing.T) {
	j, err := parse(t, "steps: [{path: '/${visit.id}'}]")
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("http://localhost")
	seen := map[string]bool{}
	for range 100 {
		v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
		id, _ := v.value(visitID)
		if seen[id] || len(id) != 32 {
			t.Fatalf("id %q, seen before: %v", id, seen[id])
		}
		seen[id] = true
	}
	v := j.VisitAs(j.Visitors[0], base)
	v.ID = "given"
	if r, err := v.request(t.Context(), v.Steps[0]); err != nil || r.URL.Path != "/given" {
		t.Errorf("%v, %v, want the path /given", r, err)
	}
}

func TestThink(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for text, want := range map[string][3]time.Duration{ // shortest, mean, longest
		"2s":      {2 * time.Second, 2 * time.Second, 2 * time.Second},
		"1s..3s":  {time.Second, 2 * time.Second, 3 * time.Second},
		"exp(2s)": {0, 2 * time.Second, 20 * time.Second},
	} {
		j, err := parse(t, "steps: [{path: /, think: "+text+"}]")
		if err != nil {
			t.Fatal(err)
		}
		var sum time.Duration
		for range 10_000 {
			d := j.Visitors[0].Steps[0].Think.Pause(random)
			if sum += d; d < want[0] || d > want[2] {
				t.Fatalf("%s: %v", text, d)
			}
		}
		if mean := sum / 10_000; mean < want[1]*95/100 || mean > want[1]*105/100 {
			t.Errorf("%s: mean %v, want %v", text, mean, want[1])
		}
	}
}

func TestProblemsHavePlaces(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "j.yaml:1:1: the file is empty",
		"steps: []":                         "has no steps",
		"steps: [{path: /, thonk: 1s}]":     "j.yaml:1:19: steps[0].thonk: unknown field",
		"steps: [{path: x}]":                `"x" is not a path`,
		"steps: [{}]":                       "has no path",
		"steps:\n  - {path: '/${id}'}":      "j.yaml:2:12: steps[0].path: nothing sets ${id}",
		"steps: [{path: '/${id'}]":          "is not closed",
		"steps: [{path: '/${a b}'}]":        "is not a variable",
		"steps: [{path: '/${visit.id|x}'}]": `unknown escape "x"`,
		"steps: [{path: '/${id}', extract: {id: {json: $.id}}}]":     "nothing sets ${id}",
		"steps: [{path: /, extract: {id: {json: id}}}]":              "want a $ at the beginning",
		"steps: [{path: /, extract: {id: {json: '$.a[x]'}}}]":        "want a number between",
		"steps: [{path: /, extract: {id: {regexp: '('}}}]":           "is not a regular expression",
		"steps: [{path: /, extract: {id: {json: $.a, cookie: c}}}]":  "want one source",
		"steps: [{path: /, extract: {id: {}}}]":                      "want one source",
		"steps: [{path: /, think: -1s}]":                             "not a think time",
		"steps: [{path: /, think: 3s..1s}]":                          "not a think time",
		"steps: [{path: /, method: 'A B'}]":                          "is not a method",
		"steps: [{path: /, headers: {Cookie: a}}]":                   "cannot be set",
		"steps: [{path: /, expect: {status: 99}}]":                   "is not a status",
		"visitors: [{steps: [{path: /}], weight: 0}]":                "is not a weight",
		"visitors: [{name: a}]":                                      "has no steps",
		"target: ftp://x\nsteps: [{path: /}]":                        "not the URL of a service",
		"visitors: [{weight: 1.000, steps: [{path: /}]}]":            "can mean two numbers",
		"steps: [{path: /, think: 1.500ms}]":                         "can mean two numbers",
		"data: {users: nowhere.csv}\nsteps: [{path: /}]":             "no such file",
		"data: {users: short.csv}\nsteps: [{path: /}]":               "short.csv:3: too few or too many fields",
		"data: {users: empty.csv}\nsteps: [{path: /}]":               "has no rows",
		"data: {users: users.csv}\nsteps: [{path: '/${users.age}'}]": "nothing sets ${users.age}",
		"steps: &a [{path: /}]":                                      "an anchor",
		"steps: [{path: /, path: /}]":                                "is set twice",
		strings.Repeat("[", 100):                                     "nested too deeply",
		"a\x00b":                                                     "a control character",
	} {
		_, err := parse(t, text)
		var ps Problems
		if !errors.As(err, &ps) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	_, err := parse(t, "steps:\n  - {path: a}\n  - {path: b}\n  - {path: /, think: x}\n")
	if ps, ok := err.(Problems); !ok || len(ps) != 3 || ps[2].Line != 4 {
		t.Errorf("want three problems: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(shop)
	f.Add("steps: [{path: '/${visit.number}', expect: {json: {\"$.a['b'][-1]\": x}}}]")
	f.Add("visitors: [{steps: [{path: /, extract: {a: {regexp: 'x(y)?'}}}]}]")
	base, _ := url.Parse("http://localhost")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		j, err := Parse("j.yaml", []byte(text), dir)
		if err != nil {
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 || ps[0].Line < 1 {
				t.Fatalf("want problems with places, got %v", err)
			}
			_ = err.Error()
			return
		}
		v := j.Visit(base, 1, rand.New(rand.NewPCG(1, 1)))
		for _, s := range v.Steps {
			response := &Response{Status: 200, Header: http.Header{"Set-Cookie": {"a=b"}}, Body: []byte(`{"a": [1]}`)}
			if _, err := v.Do(t.Context(), s, &fixed{response: response}); err != nil {
				return
			}
			s.Think.Pause(rand.New(rand.NewPCG(1, 1)))
		}
	})
}

// A valid path finds a value in a valid document, or nothing. A value that it finds has a text for later requests.
func FuzzJSONPath(f *testing.F) {
	f.Add("$.items[0]['odd name'][-1]", `{"items": [{"odd name": [1, "two"]}]}`)
	f.Add("$", `[1] ]`)
	f.Add("$[9223372036854775807]", `[{"a": 1e999}]`)
	f.Fuzz(func(t *testing.T, path, document string) {
		p, err := parseJSONPath(path)
		if err != nil {
			return
		}
		value, err := decodeJSON([]byte(document))
		if (err == nil) != json.Valid([]byte(document)) {
			t.Fatalf("%q is JSON: %v", document, err)
		}
		if err != nil {
			return
		}
		found, ok := p.find(value)
		if text := jsonText(found); ok && text == "" && found != "" {
			t.Fatalf("%s of %s is %v, but its text is empty", path, document, found)
		}
	})
}

// A value that a template escapes for JSON or for a URL reads back as the same value.
func FuzzTemplate(f *testing.F) {
	f.Add("/a?b=${id|url}", "x y&z=\"\\\n")
	f.Add(`{"$${a}": "${id|json}"}`, "\x00\xff</script>")
	f.Fuzz(func(t *testing.T, text, value string) {
		tmpl, err := parseTemplate(text)
		if err != nil {
			return
		}
		if !strings.Contains(text, "$") {
			if got, err := tmpl.expand(nil); err != nil || got != text {
				t.Fatalf("%q became %q, %v", text, got, err)
			}
			return
		}
		tmpl.expand(func(name string) (string, bool) { return value, name == "id" })

		quoted := template{{text: `"`}, {variable: "id", filter: "json"}, {text: `"`}}
		out, err := quoted.expand(func(string) (string, bool) { return value, true })
		var back string
		if err != nil || json.Unmarshal([]byte(out), &back) != nil || back != value && utf8.ValidString(value) {
			t.Fatalf("%q in JSON is %s, which reads back as %q", value, out, back)
		}
		escaped := template{{variable: "id", filter: "url"}}
		out, err = escaped.expand(func(string) (string, bool) { return value, true })
		if back, err2 := url.QueryUnescape(out); err != nil || err2 != nil || back != value {
			t.Fatalf("%q in a URL is %s, which reads back as %q", value, out, back)
		}
	})
}
