package recording

import (
	"encoding/json"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// record is one line of an access log.
type record struct {
	at     time.Time
	client string // address or name; "" if the log does not have it
	method string
	target string // path and query
	host   string
	status int
}

// Format is the form of a recording.
type Format string

const (
	Detect   Format = "auto"
	HAR      Format = "har"      // what a browser has recorded
	Tenfold  Format = "tenfold"  // the access records of tenfold, as JSON
	Combined Format = "combined" // nginx and Apache: combined, and the shorter common
	HTTPLog  Format = "httplog"  // HAProxy: option httplog
)

// parsers are the formats in the order in which they are tried.
var parsers = []struct {
	format Format
	parse  func(line string) (r record, ok bool)
}{
	{Tenfold, parseTenfold}, {HTTPLog, parseHTTPLog}, {Combined, parseCombined},
}

// parseTenfold reads an access record of tenfold. Other records of its log are not requests.
func parseTenfold(line string) (r record, ok bool) {
	if !strings.HasPrefix(line, "{") {
		return r, false
	}
	var d struct {
		Time   time.Time `json:"time"`
		Msg    string    `json:"msg"`
		Method string    `json:"method"`
		Host   string    `json:"host"`
		Path   string    `json:"path"`
		Query  string    `json:"query"`
		Status int       `json:"status"`
		Client string    `json:"client"`
		Agent  string    `json:"user_agent"`
	}
	if json.Unmarshal([]byte(line), &d) != nil || d.Msg == "" {
		return r, false
	}
	r = record{at: d.Time, client: d.Client, method: d.Method, target: d.Path, host: d.Host, status: d.Status}
	if d.Agent != "" {
		r.client += " " + d.Agent[:min(len(d.Agent), 200)]
	}
	if d.Query != "" {
		r.target += "?" + d.Query
	}
	if d.Msg != "request" {
		r.method = ""
	}
	return r, true
}

// combinedForm is: 203.0.113.7 - ann [28/Nov/2026:13:55:36 +0000] "GET /a?b=c HTTP/1.1" 200 2326 "referer" "user agent"
var combinedForm = regexp.MustCompile(
	`^(\S{1,100}) \S{1,200} (?:[^\[]{1,200}) \[([^\]]{1,40})\] "((?:[^"\\]|\\.)*)" ([0-9]{3}) (?:[0-9]+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?`)

func parseCombined(line string) (r record, ok bool) {
	m := combinedForm.FindStringSubmatch(line)
	if m == nil {
		return r, false
	}
	r.client = m[1]
	if m[6] != "" && m[6] != "-" { // people behind one address often have different browsers
		r.client += " " + m[6][:min(len(m[6]), 200)]
	}
	r.at, _ = time.Parse("02/Jan/2006:15:04:05 -0700", m[2])
	r.status, _ = strconv.Atoi(m[4])
	r.method, r.target = requestLine(m[3])
	return r, !r.at.IsZero()
}

// httpLogForm is the part of a line of HAProxy from the address of the client on:
// 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {..} {} "GET / HTTP/1.1"
var httpLogForm = regexp.MustCompile(
	`(\S{1,60}):[0-9]{1,5} \[([0-9]{2}/[A-Za-z]{3}/[0-9]{4}:[0-9:.]{8,12})\] \S+ \S+ [0-9/+-]+ (-?[0-9]{1,3}) \+?[0-9]+ .* "(.*)"$`)

func parseHTTPLog(line string) (r record, ok bool) {
	m := httpLogForm.FindStringSubmatch(line)
	if m == nil {
		return r, false
	}
	r.client = strings.TrimPrefix(m[1], "::ffff:")
	if host, _, err := net.SplitHostPort(m[1]); err == nil {
		r.client = host
	}
	var err error
	if r.at, err = time.Parse("02/Jan/2006:15:04:05.000", m[2]); err != nil {
		return r, false
	}
	r.status, _ = strconv.Atoi(m[3])
	r.method, r.target = requestLine(m[4])
	return r, true
}

// requestLine splits GET /path HTTP/1.1. The method is "" for what is not a request line, such as bytes of TLS.
func requestLine(line string) (method, target string) {
	parts := strings.Split(line, " ")
	if len(parts) < 2 || !validMethod.MatchString(parts[0]) {
		return "", ""
	}
	return parts[0], parts[1]
}
