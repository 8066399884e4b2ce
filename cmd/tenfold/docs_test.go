package main

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
)

// TestReadmeIsTrue does what the README shows: each block is a session, its "tenfold up" runs until the next one, and
// every other command must succeed against it.
func TestReadmeIsTrue(t *testing.T) {
	needs(t, "python3", "python3")
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "app.py", `
import os
from http.server import HTTPServer, BaseHTTPRequestHandler
class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\n")
HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
`)
	var session *running
	ran := 0
	for _, command := range commands(t, "README.md") {
		words := strings.Fields(command)
		switch {
		case words[0] == "make":
			target(t, words[1])
			continue
		case strings.HasPrefix(command, "tenfold up "):
			if session != nil {
				session.stop()
			}
			session = up(t, call{args: words[2:]})
			continue
		case words[0] == "kill":
			command = "kill -9 " + strconv.Itoa(session.nodes()[1].PID)
		}
		shell := exec.Command("sh", "-c", strings.ReplaceAll(command, "127.0.0.1:9090", session.admin))
		shell.Env = append(os.Environ(), "TENFOLD_ADMIN="+session.admin)
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		ran++
		session.awaitReady()
	}
	session.stop()
	t.Logf("%d commands of the README ran", ran)
	if ran < 6 {
		t.Errorf("only %d commands found: is the README still read as it is written?", ran)
	}
}

// TestFilesOfTheDocsAreFine reads every tenfold.yaml that README and docs show. What has no services is the part of a file
// that its text is about.
func TestFilesOfTheDocsAreFine(t *testing.T) {
	docs, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "jwks.json"), `{"keys": []}`)
	for i, name := range []string{"shop", "wildcard", "ca"} { // certificates that the pages name
		writeCertificate(t, filepath.Join(dir, name), i+1)
	}
	if err := os.Rename(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "users.htpasswd"), "# no user yet\n")
	if err := os.Mkdir(filepath.Join(dir, "pages"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"404", "5xx", "docs", "maintenance"} {
		write(t, filepath.Join(dir, "pages", page+".html"), "<h1>{status} {title}</h1>")
	}
	secret := func(string) (string, bool) { return strings.Repeat("s", 32), true } // of every variable that a file names
	found := 0
	for _, name := range append(docs, filepath.Join(repository, "README.md")) {
		name, err := filepath.Rel(repository, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(document(t, name), -1) {
			file := block[1]
			if !strings.Contains(file, "services:") {
				file = "services: {shop: {run: [shop, serve]}}\n" + file
				if !strings.Contains(file, "routes:") {
					file += "routes: [{host: shop.example, to: shop}]\n"
				}
			}
			file = strings.ReplaceAll(file, "/srv/shop", dir)
			if _, err := config.Parse(name, []byte(file), &config.Options{Dir: dir, Getenv: secret}); err != nil {
				t.Errorf("%v\nin\n%s", err, file)
			}
			found++
		}
	}
	if found < 1 {
		t.Error("no document shows a file")
	}
}

// unsaid is what the Go of the README leaves out: what every service has already.
const unsaid = `package readme

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/breaker"
	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/idempotency"
	"github.com/tenfold-go/tenfold/kit/session"
)

func _(ctx context.Context, client rueidis.Client, db *sql.DB, tx *sql.Tx, mux *http.ServeMux, w http.ResponseWriter, r *http.Request,
	load cache.Loader[string, int64], user func(*http.Request) string, insertOrder func(*http.Request, *sql.Tx) (int, error),
	pay func(context.Context) error) {
`

// TestGoOfTheReadmeCompiles checks the types of every block of Go that the README shows. What only a fragment may do, such as
// to leave a variable unused, is not an error.
func TestGoOfTheReadmeCompiles(t *testing.T) {
	t.Chdir(repository) // where the packages are found
	fset := token.NewFileSet()
	packages := importer.ForCompiler(fset, "source", nil)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(document(t, "README.md"), -1)
	if len(blocks) < 4 {
		t.Errorf("only %d blocks", len(blocks))
	}
	for _, block := range blocks {
		file, err := parser.ParseFile(fset, "README.md", unsaid+block[1]+"}", parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v\nin\n%s", err, block[1])
			continue
		}
		check := types.Config{Importer: packages, Error: func(err error) {
			if e := (types.Error{}); errors.As(err, &e) && e.Soft {
				return
			}
			t.Errorf("%v\nin\n%s", err, block[1])
		}}
		check.Check("readme", fset, []*ast.File{file}, nil) // Error has its errors
	}
}

// commands are what a person would type of the code blocks of a document: lines after "$ ", and every line of a block
// that is marked as sh.
func commands(t *testing.T, name string) (all []string) {
	t.Helper()
	text := strings.ReplaceAll(document(t, name), "\\\n", "")
	comment := regexp.MustCompile(`\s+#.*$`)
	for _, block := range regexp.MustCompile("(?s)```(\\w*)\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[2]) {
			line = comment.ReplaceAllString(strings.TrimRight(line, "\n"), "")
			typed, session := strings.CutPrefix(line, "$ ")
			if (session || block[1] == "sh") && strings.TrimSpace(typed) != "" {
				all = append(all, typed)
			}
		}
	}
	return all
}

var repository, _ = filepath.Abs(filepath.Join("..", ".."))

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func target(t *testing.T, name string) {
	t.Helper()
	if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(document(t, "Makefile")) {
		t.Errorf("the Makefile has no %s", name)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
