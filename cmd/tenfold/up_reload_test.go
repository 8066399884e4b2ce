package main

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// upFile runs a file in its own directory, and returns the path of the file.
func upFile(t *testing.T, text string, args ...string) (*running, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tenfold.yaml")
	write(t, file, text)
	return upQuietly(t, "", append([]string{"-f", file}, args...)...), file
}

// rewrite replaces a file as editors do: it writes another one and renames it.
func rewrite(t *testing.T, file, text string) {
	t.Helper()
	write(t, file+"~", text)
	if err := os.Rename(file+"~", file); err != nil {
		t.Fatal(err)
	}
}

const twoServices = "services: {service: {run: [service], nodes: 1}}\n"

// SIGHUP reloads a file. With problems in it, what ran before runs on.
func TestUpReloadsOnSIGHUP(t *testing.T) {
	x, file := upFile(t, twoServices)
	rewrite(t, file, twoServices+"routes: [{path: /small, to: service}]\n")
	x.signal(syscall.SIGHUP)
	x.stderr.await(x, `"msg":"reloaded".*"by":"signal hangup".*"changes":2,`)
	l := offer(x, 100, func(int) *http.Request { return request("GET", "/small") })
	rewrite(t, file, "services: {service: {run: [service], nodes: none}}\nstore: memory\n")
	x.signal(syscall.SIGHUP)
	x.stderr.await(x, `"msg":"problem in the file","err":".*tenfold.yaml:1:\d+: services.service.nodes: `)
	x.stderr.await(x, `"msg":"not reloaded: what ran before runs on".*"problems":2}`)
	noneFailed(t, l.end())
	x.stop()
}

// With --watch, the file is reloaded whenever it changes, also after problems.
func TestUpWatchReloadsTheFile(t *testing.T) {
	x, file := upFile(t, twoServices, "--watch")
	l := offer(x, 50, func(int) *http.Request { return request("GET", "/small") })
	rewrite(t, file, twoServices+"drain: 5s\n")
	x.stderr.await(x, `"msg":"reloaded".*"by":"watch"`)
	rewrite(t, file, "services: [")
	x.stderr.await(x, `"msg":"not reloaded: what ran before runs on"`)
	rewrite(t, file, twoServices+"drain: 6s\n")
	x.stderr.await(x, `(?s)not reloaded.*"msg":"reloaded".*"by":"watch"`)
	noneFailed(t, l.end())
	x.stop()
}

// A change of a file that the file names is one, too.
func TestUpWatchReloadsNamedFiles(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	write(t, page, "<p>one</p>")
	file := filepath.Join(dir, "tenfold.yaml")
	write(t, file, twoServices+"error_pages: {404: page.html}\nroutes: [{path: /small, to: service}]\n")
	x := upQuietly(t, "", "-f", file, "--watch")
	rewrite(t, page, "<p>two</p>")
	x.stderr.await(x, `"msg":"reloaded".*"by":"watch"`)
	x.stop()
}
