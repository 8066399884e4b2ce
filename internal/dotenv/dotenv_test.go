package dotenv

import (
	"fmt"
	"strings"
	"testing"
)

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestDotenv(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                     {"", ""},
		"comments and empty lines":    {"# a\n\n  # b\n\t\nA=1\n#end", "A=1"},
		"plain values":                {"A=1\nB=two words\nC=a#b\nD=\nE=x=y", "A=1|B=two words|C=a#b|D=|E=x=y"},
		"trailing space and comments": {"A=1  \nB=2 # two\nC= # empty\nD=3\t#x", "A=1|B=2|C=|D=3"},
		"an empty value, a comment":   {"A=#x", "A="},
		"export":                      {"export A=1\nexport\tB='2'", "A=1|B=2"},
		"line ends of Windows":        {"A=1\r\nB=\"x\r\ny\"\r\n", "A=1|B=x\ny"},
		"a byte order mark":           {"\uFEFFA=1", "A=1"},
		"single quotes":               {`A='$x "y" \n #z' # c` + "\nB=''", `A=$x "y" \n #z|B=`},
		"several lines":               {"KEY='-----BEGIN\nabc\n-----END'\nB=1", "KEY=-----BEGIN\nabc\n-----END|B=1"},
		"double quotes":               {`A="a \"b\" \\ \$x \t|" #c`, "A=a \"b\" \\ $x \t|"},
		"references":                  {"A=1\nB=${A}2\nC=\"${B}-${OUTER}\"\nD='${A}'", "A=1|B=12|C=12-outer|D=${A}"},
		"dollars without a name":      {"A=pa$5$$-$\nB=\"$ $1\"", "A=pa$5$$-$|B=$ $1"},
		"other letters":               {"A=größe ü", "A=größe ü"},
		"spaces in front":             {"  A=1", "A=1"},
		"no line end":                 {"A=1\nB=2", "A=1|B=2"},
	} {
		t.Run(name, func(t *testing.T) {
			variables, problems := Parse(".env", []byte(c.text), lookupIn(map[string]string{"OUTER": "outer"}))
			var got []string
			for _, v := range variables {
				got = append(got, v.Name+"="+v.Value)
			}
			if strings.Join(got, "|") != c.want || len(problems) > 0 {
				t.Errorf("got %q, %v; want %q", got, problems, c.want)
			}
		})
	}
}

func TestDotenvProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no equals sign":       {"A=1\nhidden line\nB=2", ".env:2:1: the line has no \"=\""},
		"a name":               {"1A=hidden", ".env:1:1: \"1A\" is not a name for a variable"},
		"a name with a dash":   {"LOG-LEVEL=hidden", ".env:1:1: \"LOG-LEVEL\" is not a name for a variable"},
		"no name":              {"=hidden", `.env:1:1: "" is not a name for a variable`},
		"spaces":               {"A = hidden", ".env:1:1: A: has spaces around \"=\""},
		"a space behind":       {"A= hidden", ".env:1:1: A: has spaces around \"=\""},
		"twice":                {"A=hidden\nB='x\ny'\nA=hidden", ".env:4:1: A: duplicate variable, first in line 1"},
		"an open quote":        {"A=1\nB='hidden\nC=2\n", ".env:2:3: B: has an opening ' without a closing one"},
		"an open double quote": {"A=\"hidden\n", ".env:1:3: A: has an opening \" without a closing one"},
		"text after a quote":   {"A='hidden'hidden", ".env:1:11: A: has text after its closing quote"},
		"a comment at a quote": {"A='hidden'#c", ".env:1:11: A: has text after its closing quote"},
		"an inner quote":       {"A=it's hidden", ".env:1:5: A: has the character '\\'' in a value without quotes"},
		"a backslash":          {`A=C:\hidden`, `.env:1:5: A: has the character '\\' in a value without quotes`},
		"an unknown escape":    {`A="hidden\x"`, ".env:1:10: A: has a backslash that has no meaning here"},
		"a command":            {"A=$(hidden)", ".env:1:3: A: has a \"$(\": commands are not run"},
		"a command, quoted":    {"A=\"x `hidden`\"", ".env:1:6: A: has a `: commands are not run"},
		"a bare variable":      {"A=x$HOME", ".env:1:4: A: has $HOME, which other programs read in different ways"},
		"a form of a shell":    {"A=${HOME:-x}", ".env:1:3: A: has a \"${\" that is not ${NAME}"},
		"an open brace":        {"A=${HOME", ".env:1:3: A: has a \"${\" that is not ${NAME}"},
		"an unset variable":    {"A=${UNSET}", ".env:1:3: A: the variable UNSET is not set"},
		"a later variable":     {"A=${B}\nB=1", ".env:1:3: A: the variable B is not set"},
		"no text":              {"A=\xff", ".env:1:1: the file is not UTF-8 text"},
		"a NUL":                {"A=\x00", ".env:1:1: the file has a NUL character"},
		"too large":            {strings.Repeat("#", MaxFile+1), ".env:1:1: the file is larger than 1MiB"},
		"a value too large":    {"A=" + strings.Repeat("x", 128<<10), ".env:1:131075: A: is longer than a program can get: 131072 bytes"},
		"too many":             {manyVariables(MaxVariables + 1), ".env:1001:1: V1000: 1000 variables are enough for a file"},
		"in a later line":      {"B=\"x\ny\" z", ".env:2:3: B: has text after its closing quote"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse(".env", []byte(c.text), lookupIn(nil))
			if len(problems) == 0 {
				t.Fatal("no problem")
			}
			got, _, _ := strings.Cut(problems[0].String(), "\n")
			if got != c.want || strings.Contains(problems.Error(), "hidden") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func manyVariables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "V%d=hidden\n", i)
	}
	return b.String()
}

func FuzzDotenv(f *testing.F) {
	f.Add("A=1\nexport B='x' # c\nC=\"${A}\\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		variables, problems := Parse(".env", []byte(text), lookupIn(nil))
		lines := 1 + strings.Count(text, "\n")
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("problem at %d:%d of %d lines", p.Line, p.Column, lines)
			}
		}
		for _, v := range variables {
			if !IsName(v.Name) || v.Line < 1 || v.Line > lines {
				t.Errorf("variable %q in line %d of %d", v.Name, v.Line, lines)
			}
		}
		var quoted strings.Builder // what is read is read again from its quoted form
		for _, v := range variables {
			fmt.Fprintf(&quoted, "%s=\"%s\"\n", v.Name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\r", `\r`, "`", "x").Replace(v.Value))
		}
		again, problems := Parse(".env", []byte(quoted.String()), lookupIn(nil))
		if len(problems) > 0 || len(again) != len(variables) {
			t.Errorf("%q: %v", quoted.String(), problems)
		}
	})
}
