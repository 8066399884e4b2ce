package journey

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
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

func TestAVisitKeepsCookiesAndValues(t *testing.T) {
	j, err := parse(t, shop)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("http://localhost:9000")
	v := j.Rehearse(j.Visitors[0], base)
	r := walk(t, v, 0, &Response{
		Status: 200, Body: []byte(`<h1>Shop</h1><a data-id="fine-pen">`),
		Header: http.Header{"Set-Cookie": {"sid=abc; Path=/; HttpOnly", "other=1; Path=/elsewhere"}},
	})
	if r.Method != "GET" || r.URL.String() != "http://localhost:9000/" || r.HasBody {
		t.Errorf("first request: %+v", r)
	}
	r = walk(t, v, 1, &Response{
		Status: 201, Header: http.Header{"Location": {"/orders/7"}},
		Body: []byte(`{"user": {"name": "an \"odd\" one"}, "items": [{"id": "a b"}, {"n": 2}]}`),
	})
	if r.Method != "POST" || r.Body != `{"name": "an \"odd\" one", "product": "fine-pen"}` || r.Header.Get("Cookie") != "sid=abc" ||
		len(r.Header.Get("Idempotency-Key")) != 32 {
		t.Errorf("second request: %+v", r)
	}
	r = walk(t, v, 2, &Response{Status: 204})
	if r.Method != "DELETE" || r.URL.String() != "http://localhost:9000/orders/7?id=a+b" {
		t.Errorf("third request: %s %s", r.Method, r.URL)
	}
	if v.values["session"] != "abc" {
		t.Errorf("values %v", v.values)
	}
}

func walk(t *testing.T, v *Visit, step int, answer *Response) *Request {
	t.Helper()
	r, err := v.Request(v.Steps[step])
	if err == nil {
		err = v.Answer(v.Steps[step], r, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnAnswerThatIsNotExpectedEndsTheVisit(t *testing.T) {
	tests := []struct {
		step   string
		answer Response
		kind   string
		full   string
	}{
		{"{path: /}", Response{Status: 503, Body: []byte("busy")}, "GET /: status 503", `status 503, want below 400; the answer begins "busy"`},
		{"{path: /, expect: {status: 404}}", Response{Status: 200}, "GET /: status 200", "status 200, want 404; the answer is empty"},
		{"{path: /, expect: {status: [201, 202]}}", Response{Status: 200, Body: []byte("hi")}, "GET /: status 200", `status 200, want 201 or 202; the answer begins "hi"`},
		{"{path: /, expect: {contains: [a, b]}}", Response{Status: 200, Body: []byte("a")}, "GET /: body lacks a text", `lacks "b"`},
		{"{path: /, expect: {json: {$.a: 1}}}", Response{Status: 200, Body: []byte(`{"a": 2}`)}, "GET /: $.a differs", `$.a is "2", want "1"`},
		{"{path: /, expect: {json: {'$.a.b[3]': 1}}}", Response{Status: 200, Body: []byte(`{"a": {"b": [1]}}`)}, "GET /: $.a.b[3] is missing", "has no $.a.b[3]"},
		{"{path: /, expect: {json: {$.a: 1}}}", Response{Status: 200, Body: []byte("<html>")}, "GET /: the answer is not JSON", "not JSON"},
		{"{path: /, extract: {id: {json: $.id}}}", Response{Status: 200, Body: []byte(`{}`)}, "GET /: extract id", "the answer has no $.id"},
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
		r, err := v.Request(v.Steps[0])
		if err != nil {
			t.Fatal(err)
		}
		err = v.Answer(v.Steps[0], r, &test.answer)
		var own *Error
		if !errors.As(err, &own) || own.Kind() != test.kind || !strings.Contains(err.Error(), test.full) {
			t.Errorf("%s: %v (%v)", test.step, err, own)
		}
	}
}

// A value that an answer chose must not lead the visit to another server or make two headers of one.
func TestHostileValuesStayInTheirPlace(t *testing.T) {
	base, _ := url.Parse("http://localhost")
	for value, want := range map[string]string{
		"http://elsewhere.test/": "leads to another server",
		"//elsewhere.test/":      "leads to another server",
		"file:///etc/passwd":     "leads to another server",
		"http://localhost/ok":    "",
		"%zz":                    "is not one",
	} {
		j, err := parse(t, `steps: [{path: /, extract: {to: {header: Location}}}, {path: "${to}"}]`)
		if err != nil {
			t.Fatal(err)
		}
		v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
		v.values["to"] = value
		if _, err := v.Request(v.Steps[1]); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
	j, err := parse(t, `steps: [{path: /, extract: {x: {json: $.x}}}, {path: /, headers: {X: "${x}"}}]`)
	if err != nil {
		t.Fatal(err)
	}
	v := j.Visit(base, 0, rand.New(rand.NewPCG(1, 1)))
	v.values["x"] = "a\r\nY: b"
	if _, err := v.Request(v.Steps[1]); err == nil {
		t.Error("a header with a line end was made")
	}
}

func TestVisitorsComeByWeightAndTakeRowsInTurn(t *testing.T) {
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
			t.Fatalf("visit %d is %s", i, name)
		}
	}
	if buyers < 900 || buyers > 1100 {
		t.Errorf("%d of 4000 visitors buy, want about 1000", buyers)
	}
}

// A run with the same seed must not meet the names that the last one took.
func TestVisitsHaveIDsOfTheirOwn(t *testing.T) {
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
}

func TestThink(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for text, want := range map[string][3]time.Duration{ // least, mean, most
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

func TestProblemsHavePlaceAndHint(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "j.yaml:1:1: the file is empty",
		"steps: []":                         "has no steps",
		"steps: [{path: /, thonk: 1s}]":     "j.yaml:1:19: steps[0].thonk: is not a field",
		"steps: [{path: x}]":                `"x" is not a path`,
		"steps: [{}]":                       "has no path",
		"steps:\n  - {path: '/${id}'}":      "j.yaml:2:12: steps[0].path: nothing sets ${id}",
		"steps: [{path: '/${id'}]":          "never closed",
		"steps: [{path: '/${a b}'}]":        "is not a variable",
		"steps: [{path: '/${visit.id|x}'}]": `"x" is not a way`,
		"steps: [{path: '/${id}', extract: {id: {json: $.id}}}]":     "nothing sets ${id}",
		"steps: [{path: /, extract: {id: {json: id}}}]":              "does not begin with $",
		"steps: [{path: /, extract: {id: {json: '$.a[x]'}}}]":        "want a number between",
		"steps: [{path: /, extract: {id: {regexp: '('}}}]":           "is not a regular expression",
		"steps: [{path: /, extract: {id: {json: $.a, cookie: c}}}]":  "wants one source",
		"steps: [{path: /, extract: {id: {}}}]":                      "wants one source",
		"steps: [{path: /, think: -1s}]":                             "not a time to think",
		"steps: [{path: /, think: 3s..1s}]":                          "not a time to think",
		"steps: [{path: /, method: 'A B'}]":                          "is not a method",
		"steps: [{path: /, headers: {Cookie: a}}]":                   "cannot be set",
		"steps: [{path: /, expect: {status: 99}}]":                   "is not a status",
		"visitors: [{steps: [{path: /}], weight: 0}]":                "is not a weight",
		"visitors: [{name: a}]":                                      "has no steps",
		"target: ftp://x\nsteps: [{path: /}]":                        "not the URL of a service",
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
		t.Errorf("not all problems at once: %v", err)
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
				t.Fatalf("%v is no list of problems with places", err)
			}
			_ = err.Error()
			return
		}
		v := j.Visit(base, 1, rand.New(rand.NewPCG(1, 1)))
		for _, s := range v.Steps {
			r, err := v.Request(s)
			if err != nil {
				return
			}
			if v.Answer(s, r, &Response{Status: 200, Header: http.Header{"Set-Cookie": {"a=b"}}, Body: []byte(`{"a": [1]}`)}) != nil {
				return
			}
			s.Think.Pause(rand.New(rand.NewPCG(1, 1)))
		}
	})
}

// A path that is one leads to a value of a document that is one, or to none; what it leads to can be put into a request.
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
			t.Fatalf("%s of %s is %v, and in a request nothing", path, document, found)
		}
	})
}

// What a template writes for a place in JSON or in a URL is that value when it is read there, whatever the value is.
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
			t.Fatalf("%q in JSON is %s, which reads %q", value, out, back)
		}
		escaped := template{{variable: "id", filter: "url"}}
		out, err = escaped.expand(func(string) (string, bool) { return value, true })
		if back, err2 := url.QueryUnescape(out); err != nil || err2 != nil || back != value {
			t.Fatalf("%q in a URL is %s, which reads %q", value, out, back)
		}
	})
}
