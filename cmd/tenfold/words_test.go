package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// metaphors are words that no identifier may contain. They are pictures, not terms of the field. docs/glossary.md has the terms.
var metaphors = []string{
	"house", "room", "rooms", "door", "doors", "cupboard", "flight", "flights", "lane", "lanes", "fly", "flies", "keeper", "keepers",
	"newcomer", "newcomers", "traveller", "hearsay", "disguise", "disguises", "farewell", "glance", "twofold", "kin",
	"left", "late", "turn", "turns",
}

// allowedIdentifiers have such a word in its plain meaning.
var allowedIdentifiers = map[string]string{
	"left": "what remains, or the left side", "Left": "what remains, or the left side",
	"late": "after the due time", "onlyLate": "after the due time", "LateShare": "share of requests after their due time",
	"lateSlow": "slow at its end", "TestLateAddsFollowTheLogin": "after the login",
}

// TestIdentifiersAreNoMetaphors checks the identifiers that both modules declare. "in flight" is a term: requests in flight.
func TestIdentifiersAreNoMetaphors(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr: // the selected name is declared elsewhere
				ast.Inspect(n.X, func(x ast.Node) bool {
					if id, ok := x.(*ast.Ident); ok {
						checkIdentifier(t, fset, id, used)
					}
					return true
				})
				return false
			case *ast.Ident:
				checkIdentifier(t, fset, n, used)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range allowedIdentifiers {
		if !used[name] {
			t.Errorf("no identifier is named %s: remove it from the list of allowed identifiers", name)
		}
	}
}

func checkIdentifier(t *testing.T, fset *token.FileSet, id *ast.Ident, used map[string]bool) {
	t.Helper()
	if _, allowed := allowedIdentifiers[id.Name]; allowed {
		used[id.Name] = true
		return
	}
	for _, word := range identifierWords(id.Name) {
		if slices.Contains(metaphors, word) {
			t.Errorf("%s: identifier %s contains the metaphor %q", fset.Position(id.Pos()), id.Name, word)
		}
	}
}

// identifierWords splits an identifier into its words, in lower case. "in flight" is one word.
func identifierWords(name string) []string {
	var words []string
	runes := []rune(name)
	start := 0
	cut := func(end int) {
		if end > start {
			words = append(words, strings.ToLower(string(runes[start:end])))
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case r == '_':
			cut(i)
			start = i + 1
		case i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			cut(i)
		}
	}
	cut(len(runes))
	for i := len(words) - 1; i > 0; i-- {
		if words[i-1] == "in" && words[i] == "flight" {
			words = slices.Delete(words, i-1, i+1)
			words = slices.Insert(words, i-1, "inflight")
			i--
			if i < 1 {
				break
			}
		}
	}
	return words
}

func TestIdentifierWords(t *testing.T) {
	for name, want := range map[string][]string{
		"inFlight": {"inflight"}, "ErrInFlight": {"err", "inflight"}, "maxInFlightRequests": {"max", "inflight", "requests"},
		"HTTPServer": {"http", "server"}, "key_in_flight": {"key", "inflight"}, "landFlight": {"land", "flight"}, "x": {"x"}, "_": nil,
	} {
		if got := identifierWords(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
