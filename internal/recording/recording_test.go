package recording_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/journey"
	. "github.com/tenfold-go/tenfold/internal/recording"
)

var update = flag.Bool("update", false, "write the golden files of testdata from what the code does now")

// convert returns the journey of a recording as text, after package journey has read it.
func convert(t testing.TB, r io.Reader, format Format, o Options) (string, error) {
	t.Helper()
	r, format = DetectFormat(r, format)
	var j *Journey
	var err error
	if format == HAR {
		j, err = FromHAR(r, o)
	} else {
		j, err = FromLog(r, format, o)
	}
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := j.Write(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := journey.Parse("journey.yaml", b.Bytes(), "."); err != nil {
		t.Fatalf("the journey is not valid: %v\n%s", err, b.String())
	}
	return b.String(), nil
}

func TestRecordings(t *testing.T) {
	for _, name := range []string{"shop.har", "tenfold.log", "combined.log", "httplog.log"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := convert(t, bytes.NewReader(data), Detect, Options{Source: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden := filepath.Join("testdata", name+".yaml")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || got != string(want) {
			t.Errorf("%s: %v, got\n%s", name, err, got)
		}
		crlf := append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))...)
		if again, err := convert(t, bytes.NewReader(crlf), Detect, Options{Source: name}); err != nil || again != got {
			t.Errorf("%s with a byte order mark and CRLF: %v\n%s", name, err, again)
		}
	}
}

// The secrets of the recordings, and the files that were uploaded, do not appear.
func TestSecretsAreNotCopied(t *testing.T) {
	har, err := os.ReadFile("testdata/shop.har")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile("testdata/combined.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, assets := range []bool{false, true} {
		all, err := convert(t, bytes.NewReader(har), Detect, Options{Assets: assets})
		if err != nil {
			t.Fatal(err)
		}
		mix, err := convert(t, bytes.NewReader(log), Detect, Options{Assets: assets})
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"sess-41f0", "v-77d1c0", "correct", "eyJ", "Zx81kP", "mT4k9Q", "SPRING", "k-1234567890", "9b2f0d7a",
			"secret-file", "statistics-secret", "s3cr3tvalue", "aB3dE5", "Cookie"} {
			if strings.Contains(all+mix, secret) {
				t.Errorf("%s is in the journey (assets %v)\n%s%s", secret, assets, all, mix)
			}
		}
		if assets != strings.Contains(all, "/site.css") || assets != strings.Contains(mix, "/logo.PNG") {
			t.Errorf("assets %v:\n%s%s", assets, all, mix)
		}
	}
}

// har returns a HAR file with requests, each given as JSON of its request and response.
func har(entries ...string) string {
	return `{"log": {"version": "1.2", "entries": [` + strings.Join(entries, ",") + `]}}`
}

func harEntry(method, url, more string) string {
	return fmt.Sprintf(`{"startedDateTime": "2026-01-01T00:00:00Z", "request": {"method": %q, "url": %q%s}, "response": {"status": 200}}`,
		method, url, more)
}

func TestUnusableRecordings(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "the file is empty",
		"{}":                           "not a recording",
		"hello\nworld\n":               "not a recording: want a HAR file",
		`{"log": {}}`:                  "not a HAR file: it has no log.entries",
		`{"log": {"entries": {}}}`:     "not a HAR file: want [",
		`{"log": {"entries": []}}`:     "the HAR file has no requests",
		`{"log": {"entries": [`:        "the file is cut off",
		`{"log": {"entries": [5]}}`:    "not a HAR file: entry 1",
		`{"log": {"entries": [{]}}`:    "not JSON",
		`{"log": {"entries": [{}]}}`:   "no request to an http:// or https:// address",
		`{"log": []}`:                  "not a recording",
		har(harEntry("GET", "::", "")): "no request to an http://",
		har(harEntry("GET", "http://h/", "")) + "x":                         "",
		har(harEntry("OPTIONS", "http://h/", "")):                           "no request to h is left",
		har(harEntry("CONNECT", "http://h/", "")):                           "no request to h is left",
		har(`{"startedDateTime": "yesterday"}`):                             "not a HAR file: entry 1: startedDateTime is not a time",
		`{"log": {"entries": ` + strings.Repeat("[", 20_000):                "not a HAR file",
		`10.0.0.1 - - [28/Nov/2026:13:00:00 +0100] "POST / HTTP/1.1" 200 5`: "no request that a journey can repeat",
		`10.0.0.1 - - [yesterday] "GET / HTTP/1.1" 200 5`:                   "not a recording",
		strings.Repeat("x", 1<<20):                                          "not a recording",
	} {
		got, err := convert(t, strings.NewReader(text), Detect, Options{})
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.80q: %v, want %s\n%s", text, err, want, got)
		}
	}
}

func TestRecordingsOfOtherHosts(t *testing.T) {
	text := har(harEntry("GET", "https://cdn.example/a", ""), harEntry("GET", "https://shop.example:8443/b", ""))
	for host, want := range map[string]string{
		"shop.example": `target: "https://shop.example:8443"`, "shop.example:8443": `path: "/b"`, "cdn.example": `path: "/a"`,
	} {
		if got, err := convert(t, strings.NewReader(text), Detect, Options{Host: host}); err != nil || !strings.Contains(got, want) ||
			!strings.Contains(got, "left out: 1 to the other host https://") {
			t.Errorf("%s: %v\n%s", host, err, got)
		}
	}
	if _, err := convert(t, strings.NewReader(text), Detect, Options{Host: "other.example"}); err == nil ||
		!strings.Contains(err.Error(), "no request to other.example") {
		t.Errorf("other.example: %v", err)
	}
}

// A hostile recording costs bounded time and memory.
func TestHostileRecordings(t *testing.T) {
	begun := time.Now()
	page := strings.Repeat(`<input name=a value=b>`, 8_000)
	body := `{"startedDateTime": "2026-01-01T00:00:00Z", "request": {"method": "GET", "url": "http://h/` + "%s" + `"},
		"response": {"status": 200, "content": {"mimeType": "text/html", "text": "` + strings.ReplaceAll(page, `"`, `\"`) + `"}}}`
	var entries []string
	for i := range 20 {
		entries = append(entries, fmt.Sprintf(body, fmt.Sprintf("order-%06d?token=b%d", i, i)))
	}
	form := strings.Repeat("token=b&", 2_000)
	entries = append(entries, harEntry("POST", "http://h/", `, "postData": {"mimeType": "application/x-www-form-urlencoded", "text": "`+form+`"}`))
	deep := strings.Repeat(`{\"a\":`, 9_000) + "1" + strings.Repeat("}", 9_000)
	entries = append(entries, harEntry("POST", "http://h/", `, "postData": {"mimeType": "application/json", "text": "`+deep+`"}`))
	if _, err := convert(t, strings.NewReader(har(entries...)), Detect, Options{}); err != nil {
		t.Error(err)
	}
	many := strings.Repeat(`10.0.0.1 - - [28/Nov/2026:13:00:00 +0100] "GET /`+strings.Repeat("a", 500)+` HTTP/1.1" 200 5`+"\n", 3_000)
	if _, err := convert(t, strings.NewReader(many+strings.Repeat("y", 1<<20)), Detect, Options{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// A visit of more steps than a journey can have is cut, and a long mix keeps the share of each path.
func TestLongRecordings(t *testing.T) {
	var entries []string
	for range 300 {
		entries = append(entries, harEntry("GET", "http://h/x", ""))
	}
	got, err := convert(t, strings.NewReader(har(entries...)), Detect, Options{})
	if err != nil || strings.Count(got, "- path:") != 200 || !strings.Contains(got, "the first 200 of 300 requests are kept") {
		t.Errorf("%v: %d steps", err, strings.Count(got, "- path:"))
	}
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, `10.0.%d.%d - - [28/Nov/2026:13:00:00 +0100] "GET /p%d HTTP/1.1" 200 5`+"\n", i/250, i%250, min(i%10, 3))
	}
	got, err = convert(t, strings.NewReader(log.String()), Detect, Options{})
	for path, weight := range map[string]int{"/p0": 100, "/p1": 100, "/p2": 100, "/p3": 700} {
		if err != nil || !strings.Contains(got, fmt.Sprintf("name: \"only %s\"\n    weight: %d\n", path, weight)) {
			t.Errorf("%v: the share of %s is wrong\n%s", err, path, got)
		}
	}
}

// FuzzRecording checks for any text that the conversion does not panic, that what it writes is a journey, and that a cookie and a
// bearer token of the text are not copied.
func FuzzRecording(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil && !strings.HasSuffix(path, ".yaml") {
			f.Add(data)
		}
	}
	f.Add([]byte(har(harEntry("POST", "http://h/${x}?a=${b}&c", `, "headers": [{"name": "Cookie", "value": "a=secret-cookie-1"}],
		"postData": {"mimeType": "application/json", "text": "{\"a${\": \"secret-cookie-1\"}"}`))))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := convert(t, bytes.NewReader(data), Detect, Options{Source: "fuzz"})
		if err == nil && strings.Contains(got, "secret-cookie-1") && bytes.Contains(data, []byte(`{"name": "Cookie", "value": "a=secret-cookie-1"}`)) {
			t.Errorf("a cookie is copied:\n%s", got)
		}
	})
}

// A browser that writes no type of a request is understood by the type of the response.
func TestRecordingWithoutTypesOfRequests(t *testing.T) {
	entry := func(second int, path, mime string) string {
		return fmt.Sprintf(`{"startedDateTime": "2026-01-01T01:00:%02d.250+01:00", "time": 100, "request": {"method": "GET", "url": "https://shop.example%s"},
			"response": {"status": 200, "content": {"mimeType": %q}}}`, second, path, mime)
	}
	text := har(entry(3, "/picture?id=1", "image/webp"), entry(0, "/", "text/html"), entry(4, "/api/cart", "application/json"),
		entry(1, "/app", "application/javascript; charset=utf-8"), entry(2, "/font", "font/woff2"))
	got, err := convert(t, strings.NewReader(text), Detect, Options{})
	if err != nil || strings.Count(got, "- path:") != 2 || !strings.Contains(got, "- path: \"/\"\n        think: 3.9s\n      - path: \"/api/cart\"\n") {
		t.Errorf("%v\n%s", err, got)
	}
}
