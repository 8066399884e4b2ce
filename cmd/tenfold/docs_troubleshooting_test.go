package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTroubleshootingIsComplete checks that docs/troubleshooting.md has each reason of a problem, and each log message at
// level WARN or ERROR of the running system.
func TestTroubleshootingIsComplete(t *testing.T) {
	page := document(t, "docs/troubleshooting.md")
	reasons, messages := 0, 0
	for _, dir := range []string{"gateway", "fleet", "server", "store", "status", "console"} {
		inspect(t, filepath.Join(repository, "internal", dir), func(file string, n ast.Node) {
			switch n := n.(type) {
			case *ast.KeyValueExpr: // Problem{Reason: "word"}
				if key, ok := n.Key.(*ast.Ident); !ok || key.Name != "Reason" {
					return
				}
				if word, ok := literal(n.Value); ok && word != "" && !strings.HasSuffix(word, "_") && isWord(word) {
					reasons++
					if !strings.Contains(page, "`"+word+"`") {
						t.Errorf("%s: docs/troubleshooting.md does not explain the reason %q", file, word)
					}
				}
			case *ast.CallExpr: // log.Warn("message", ...)
				f, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || f.Sel.Name != "Warn" && f.Sel.Name != "Error" || len(n.Args) == 0 {
					return
				}
				if message, ok := literal(n.Args[0]); ok {
					messages++
					if begin, _, _ := strings.Cut(message, "; "); !strings.Contains(page, "`"+message+"`") && !strings.Contains(page, "`"+begin+"; ") {
						t.Errorf("%s: docs/troubleshooting.md does not explain the log message %q", file, message)
					}
				}
			}
		})
	}
	if reasons < 20 || messages < 25 {
		t.Errorf("only %d reasons and %d messages found: does the test still read the code?", reasons, messages)
	}
}

// inspect calls visit for each node of the syntax trees below a directory, tests left out.
func inspect(t *testing.T, dir string, visit func(file string, n ast.Node)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if strings.Contains(path, "fleettest") {
			return nil // a suite of tests in files without the suffix
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool { visit(filepath.Base(path), n); return true })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// literal returns the value of a string, also of the first of several that are joined with +.
func literal(e ast.Expr) (string, bool) {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		return literal(sum.X)
	}
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// isWord tells the reason of a problem from other fields with the name Reason, which have a sentence.
func isWord(s string) bool { return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == "" }
