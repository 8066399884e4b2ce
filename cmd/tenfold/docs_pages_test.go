package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsPagesRun follows each page of the documentation that has sh blocks from top to bottom, in a new directory, as a
// reader does. Each block is one shell script. Blocks of another kind, such as text, are not run. What a page takes for granted, such
// as a running tenfold, is in a comment of the page: "<!-- sh" and the lines up to "-->".
func TestDocsPagesRun(t *testing.T) {
	needs(t, "python3", "python3")
	needs(t, "curl", "curl")
	ran := 0
	for _, page := range pages(t) {
		blocks := shellBlocks(document(t, page))
		if page == "docs/frameworks.md" { // TestFrameworksOfTheDocs runs it
			continue
		}
		if len(blocks) == 0 {
			continue
		}
		ran++
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			t.Parallel()
			followPage(t, blocks)
		})
	}
	if ran < 2 {
		t.Errorf("only %d pages have sh blocks: does the test still read them?", ran)
	}
}

// pages returns all pages of the documentation.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for i, name := range all {
		all[i] = "docs/" + filepath.Base(name)
	}
	return all
}

func shellBlocks(text string) (all []string) {
	for _, m := range regexp.MustCompile("(?s)(?:```sh\n(.*?)```|<!-- sh\n(.*?)-->)").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1]+m[2])
	}
	return all
}

// followPage runs the blocks of a page. The addresses that the page names are replaced by free ones.
func followPage(t *testing.T, blocks []string) {
	t.Helper()
	dir := t.TempDir()
	env := append(os.Environ(), raceQuickly, "XDG_RUNTIME_DIR="+t.TempDir(), "XDG_STATE_HOME="+t.TempDir())
	gateway, admin := freeAddress(t), freeAddress(t)
	addresses := strings.NewReplacer(
		"tenfold up ", fmt.Sprintf("tenfold up --listen %s --admin %s ", gateway, admin),
		"localhost:8080", gateway, "127.0.0.1:9090", admin)
	run := func(script string) (string, error) {
		c := exec.Command("sh", "-eux", "-c", script)
		c.Dir, c.Env, c.SysProcAttr = dir, env, endWithTest()
		out, err := c.CombinedOutput()
		return string(out), err
	}
	t.Cleanup(func() { run("tenfold stop || true") })
	for _, block := range blocks {
		if out, err := run(addresses.Replace(block)); err != nil {
			t.Fatalf("%v\n%s\n%s", err, block, out)
		}
	}
	if out, err := run("! tenfold status"); err != nil {
		t.Errorf("a tenfold runs at the end of the page:\n%s", out)
	}
}

// TestLinksOfTheDocs checks that each link to a file and to a heading of the repository has a target, and that the index
// has each page.
func TestLinksOfTheDocs(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	index := document(t, "docs/README.md")
	for _, page := range append(pages(t), "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "examples/shop/README.md") {
		text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(document(t, page), "")
		text = regexp.MustCompile("`[^`]*`").ReplaceAllString(strings.ReplaceAll(text, "\n", " "), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(repository, file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			} else if anchor != "" && !slices.Contains(anchors(document(t, file)), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", page, m[1], file)
			}
		}
		if name := filepath.Base(page); strings.HasPrefix(page, "docs/") && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}

// anchors returns the names that a heading gets in a rendered page.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

// TestAdminAPIPage compares the table of docs/admin-api.md with the routes of package console.
func TestAdminAPIPage(t *testing.T) {
	text := document(t, "docs/admin-api.md")
	var documented, served []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:GET|POST|DELETE) /[^`]*)` \\|").FindAllStringSubmatch(text, -1) {
		documented = append(documented, m[1])
	}
	code := ""
	for _, name := range []string{"console.go", "routes.go", "logs.go"} {
		code += document(t, "internal/console/"+name)
	}
	for _, m := range regexp.MustCompile(`\.Handle(?:Func)?\("([A-Z]+ )([^"]*)"(?:\+(\w+))?`).FindAllStringSubmatch(code, -1) {
		path := m[2]
		if m[3] != "" { // a constant
			path += regexp.MustCompile(`const ` + m[3] + ` = "([^"]*)"`).FindStringSubmatch(code)[1]
		}
		served = append(served, m[1]+path)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if len(served) < 9 || !slices.Equal(documented, served) {
		t.Errorf("documented: %q\nserved:     %q", documented, served)
	}
}
