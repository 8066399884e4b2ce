// Package strictyaml reads YAML files that people write: strictly, with the place of every value, and with every problem
// reported at once.
//
// The accepted language is plain YAML 1.2 without the parts that let a file mean something else than it says: no anchors,
// aliases, merge keys, tags, directives, explicit keys, and only one document. Values are read as they are written: 1.10 stays
// "1.10" and yes stays "yes".
//
// Parse returns the root Value. A Reader walks from there and collects Problems.
package strictyaml

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Limits on the text. They bound the work for a broken or hostile file, and they are far above any real file: a thousand
// services with every key set stay below them.
const (
	MaxFile   = 1 << 20 // bytes
	maxTokens = 50_000  // the work of the parser grows with the square of the keys in one mapping
	maxDepth  = 16      // nested brackets, or nested dashes in one line
)

// Parse reads the text of a file, whose root must be a mapping. smallest is the hint for an empty file: an example of the
// smallest valid one. The problems have no file name yet; see Problems.In.
func Parse(data []byte, smallest string) (Value, Problems) {
	text, problem := decodeText(data)
	if problem != nil {
		return Value{}, Problems{*problem}
	}
	tokens := lexer.Tokenize(text)
	if problems := checkTokens(tokens); len(problems) > 0 {
		return Value{}, problems
	}
	// The Reader reports duplicate keys itself: all of them, with their paths.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return Value{}, Problems{syntaxProblem(err, text)}
	}
	if len(file.Docs) > 1 {
		return Value{}, Problems{secondDocument(file.Docs[1])}
	}
	var body ast.Node
	if len(file.Docs) == 1 {
		body = file.Docs[0].Body
	}
	if _, ok := body.(ast.MapNode); ok {
		return Value{node: body, Place: Place{1, 1}}, nil
	}
	p := Problem{Line: 1, Column: 1, Message: "the file is empty", Hint: smallest}
	if body != nil {
		p.Message = "want a mapping of fields, found " + kind(body)
	}
	return Value{}, Problems{p}
}

// decodeText returns the file as text. It refuses bytes that are not UTF-8 and control characters, before the YAML parser
// reports them in its own words.
func decodeText(data []byte) (string, *Problem) {
	if len(data) > MaxFile {
		return "", &Problem{Line: 1, Column: 1, Message: "the file is larger than 1MiB", Hint: "is this the right file?"}
	}
	text, err := usertext.Decode(data)
	if wrong := (*usertext.Error)(nil); errors.As(err, &wrong) {
		return "", &Problem{Line: wrong.Line, Column: wrong.Column, Message: wrong.Message, Hint: wrong.Hint()}
	}
	line, column := 1, 1
	for _, r := range string(text) {
		switch {
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return "", &Problem{Line: line, Column: column, Message: "there is a control character here",
				Hint: `inside double quotes, write it as an escape: "\n", "\t", "\x1b"`}
		}
		column++
	}
	return string(text), nil
}

// refusedTokens are the parts of YAML that are not accepted, each with what to write instead.
var refusedTokens = map[token.Type]wrongValue{
	token.AnchorType:     {`an anchor ("&name") is not supported`, `put a text that starts with "&" in quotes`},
	token.AliasType:      {`an alias ("*name") is not supported`, `write out what it stands for; put a text that starts with "*" in quotes`},
	token.MergeKeyType:   {`a merge key ("<<") is not supported`, "write out what it merges"},
	token.TagType:        {`a tag ("!name") is not supported`, `put a text that starts with "!" in quotes`},
	token.DirectiveType:  {`a directive ("%") is not supported`, `remove the line, or put a text that starts with "%" in quotes`},
	token.MappingKeyType: {`an explicit key ("? key") is not supported`, "write key: value"},
}

// checkTokens limits what the parser gets, and refuses the parts of YAML that are not accepted.
func checkTokens(tokens token.Tokens) (problems Problems) {
	report := func(t *token.Token, message, hint string) {
		problems = append(problems, Problem{Line: t.Position.Line, Column: t.Position.Column, Message: message, Hint: hint})
	}
	if len(tokens) > maxTokens {
		report(tokens[maxTokens], fmt.Sprintf("the file has more than %d words and signs", maxTokens), "is this the right file?")
		return problems
	}
	brackets, dashes, colons, line := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, dashes, colons = t.Position.Line, 0, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		case token.MappingValueType:
			if brackets > 0 {
				continue
			}
			if colons++; colons == 2 {
				report(t, `a second ": " in one line`, `put a value that contains ": " in quotes`)
			}
		}
		if w, refused := refusedTokens[t.Type]; refused {
			report(t, w.message, w.hint)
		}
		if before, r := oddSpace(t); r != 0 {
			message, hint := usertext.OddSpace(r)
			problems = append(problems, Problem{Line: t.Position.Line, Column: t.Position.Column + before, Message: message,
				Hint: hint + "; put a text that needs it in quotes"})
		}
		if brackets > maxDepth || dashes > maxDepth {
			report(t, "nested too deeply", "")
			return problems
		}
		if len(problems) > maxPrinted {
			return problems
		}
	}
	return problems
}

// oddSpace returns the character that its author took for a space of YAML, and the number of characters before it in the
// token. It returns 0 without one. Such a character is at an end of a text without quotes, or behind "-" or ":".
func oddSpace(t *token.Token) (before int, r rune) {
	if t.Type != token.StringType || t.Prev != nil && (t.Prev.Type == token.LiteralType || t.Prev.Type == token.FoldedType) {
		return 0, 0
	}
	text := []rune(t.Value)
	for i, r := range text {
		if usertext.IsOddSpace(r) && (i == 0 || i == len(text)-1 || text[i-1] == ':' || text[i-1] == '-' && i == 1) {
			return i, r
		}
	}
	return 0, 0
}

// syntaxProblem returns the place and the message of the parser's error. It omits the lines of the file that the error
// quotes, since they may hold a secret.
func syntaxProblem(err error, text string) Problem {
	p := Problem{Line: 1, Column: 1, Message: "this is not YAML"}
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) {
		return p
	}
	p.Message = syntax.Message
	if t := syntax.Token; t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	switch {
	case strings.Contains(p.Message, "'\t'"):
		p.Message, p.Hint = "a tab indents this line", "indent with spaces"
	case strings.Contains(p.Message, "reserved character"):
		p.Hint = "put the value in quotes"
	case strings.Contains(p.Message, "must be specified"):
		p.Hint = `inside [] and {}, a text with a bracket, a brace or a comma needs quotes: "${NAME}"`
	case strings.Contains(p.Message, "invalid key"):
		p.Hint = "a key is a plain name"
	case strings.Contains(p.Message, "end token"), strings.Contains(p.Message, "end character"):
		p.Hint = "what is opened here is never closed"
	case strings.Contains(p.Message, "not allowed in this context"):
		if better, ok := indentationProblem(text, p.Line); ok {
			return better
		}
		p.Hint = "check the indentation of this line and of the one before"
	case strings.Contains(p.Message, "unexpected key name"):
		p.Hint = "write KEY: and a space in front of the value; what belongs to a key is indented below it"
	}
	return p
}

func secondDocument(doc *ast.DocumentNode) Problem {
	p := Problem{Line: 1, Column: 1, Message: "a second YAML document starts here", Hint: `remove the "---": a file is one document`}
	if doc.Start != nil {
		p.Line, p.Column = doc.Start.Position.Line, doc.Start.Position.Column
	}
	return p
}
