package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/dotenv"
	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// mask replaces a secret wherever a Config is shown.
const mask = "***"

// secret is a text that may come from the environment and is never shown in a message.
type secret struct{ p *string }

func (s secret) read(r *reader, n strictyaml.Value) {
	text, ok := r.Text(n, "one value")
	if !ok {
		return
	}
	v, err := r.expand(text)
	if err != nil {
		r.Problem(n, err)
		return
	}
	*s.p = v
}

func (s secret) show() any { return strings.ReplaceAll(*s.p, "${", "$${") }

// optionalSecret is a secret that is omitted from the effective file when it is empty. An empty one in the file is a problem:
// it usually comes from an empty variable.
type optionalSecret struct{ p *string }

func (s optionalSecret) read(r *reader, n strictyaml.Value) {
	if secret(s).read(r, n); *s.p == "" && !r.Broken(n.Path) {
		r.Problem(n, wrong("", "is empty"))
	}
}

func (s optionalSecret) show() any {
	if *s.p == "" {
		return nil
	}
	return secret(s).show()
}

var reference = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

// expand replaces each ${NAME} by what the environment has for it. "$${" is a plain "${".
func (r *reader) expand(text string) (string, error) {
	if text == mask {
		return "", wrong("write the real secret, or ${NAME} to read it from the environment", "the secret is masked (***)")
	}
	var missing []string
	malformed := false
	expanded := reference.ReplaceAllStringFunc(text, func(ref string) string {
		if rest, escaped := strings.CutPrefix(ref, "$$"); escaped {
			return "$" + rest
		}
		name, closed := strings.CutSuffix(ref[2:], "}")
		if !closed || !dotenv.IsName(name) {
			malformed = true
			return ""
		}
		v, ok := r.getenv(name)
		if !ok && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
		return v
	})
	switch {
	case malformed:
		return "", wrong(`write "$${" for a plain "${"`, `has a "${" that is not ${NAME}`)
	case len(missing) == 1:
		return "", wrong("set it before tenfold starts", "the environment variable %s is not set", missing[0])
	case len(missing) > 1:
		return "", wrong("set them before tenfold starts", "the environment variables %s are not set", strings.Join(missing, ", "))
	case strings.ContainsRune(expanded, 0):
		return "", wrong("", "contains a NUL character")
	}
	return expanded, nil
}

// environment is the env of a service: names and secrets.
type environment struct{ s *Service }

// setPerNode reports whether tenfold sets the variable for each node.
func setPerNode(name string) bool {
	return name == "PORT" || name == "HOST" || strings.HasPrefix(name, "TENFOLD_")
}

// literalVariable matches a $NAME that a shell would replace, but not ${NAME}.
var literalVariable = regexp.MustCompile(`\$[A-Za-z_]`)

const maxEntries = 1000

func (e environment) read(r *reader, n strictyaml.Value) {
	all := r.Mapping(n, "a mapping NAME: value")
	if len(all) > maxEntries {
		r.Problem(n, wrong("", "%d variables are too many: at most %d", len(all), maxEntries))
		return
	}
	env := map[string]string{}
	for _, k := range all {
		v := k.Value
		switch {
		case !dotenv.IsName(k.Key):
			r.ProblemAt(v.Path, k.At, wrong("letters, digits and _, as in LOG_LEVEL: debug", "is not a name for a variable"))
			continue
		case setPerNode(k.Key):
			r.ProblemAt(v.Path, k.At, wrong("remove it", "is set by tenfold for each node"))
			continue
		case v.IsNull():
			r.Problem(v, wrong(fmt.Sprintf(`write "" for an empty value, "${%s}" to pass on tenfold's own`, k.Key), "has no value"))
			continue
		}
		var text string
		secret{&text}.read(r, v)
		env[k.Key] = text
		if raw, ok := v.Scalar(); ok && literalVariable.MatchString(raw) {
			e.s.literalEnv = append(e.s.literalEnv, k.Key)
		}
	}
	if len(env) > 0 {
		e.s.Env = env
	}
}

func (e environment) show() any {
	return showMap(e.s.Env, func(v string) any { return secret{&v}.show() })
}
