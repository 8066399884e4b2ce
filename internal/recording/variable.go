package recording

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// variable is a value that a step extracts.
type variable struct{ name, value string }

// resolve returns the template for a value of the request of step i: a variable if an earlier response has the value, the
// placeholder if it is a secret, else the value itself. filter is how a variable must be escaped: "", "|url" or "|json".
func (v *visit) resolve(i int, name, value, filter string, literal func(string) string) string {
	if v.values++; value == "" {
		return literal(value)
	}
	if v.values > maxValues || len(value) > maxBody {
		v.note("step %d: a value of %s is left out: the recording has more than %d values, or it is too long", i+1, clean(name), maxValues)
		return Placeholder
	}
	secret := isSecret(name, value) || v.secrets[value]
	if secret || isDynamic(name, value) {
		if variable, ok := v.variable(i, name, value); ok {
			return "${" + variable + filter + "}"
		}
	}
	if secret || v.hasSecret(value) {
		v.note("step %d: the recorded value of %s is a secret and no earlier response has it: %s stands in its place", i+1,
			clean(name), Placeholder)
		return Placeholder
	}
	return literal(value)
}

// hasSecret reports whether a longer value contains a secret.
func (v *visit) hasSecret(value string) bool {
	if jwtForm.MatchString(value) {
		return true
	}
	for s := range v.secrets {
		if len(s) >= 8 && strings.Contains(value, s) {
			return true
		}
	}
	return false
}

// variable returns the variable that has a value, and makes one if a response before step i has it.
func (v *visit) variable(i int, name, value string) (string, bool) {
	for _, known := range v.vars {
		if known.value == value {
			return known.name, true
		}
	}
	for j := i - 1; j >= 0 && v.search > 0; j-- {
		v.search -= len(v.kept[j].Response.Content.Text)
		f, ok := v.kept[j].find(value, &v.parsed[j])
		if !ok || len(f.source) > 500 {
			continue
		}
		return v.extract(j, name, value, f), true
	}
	return "", false
}

// extract lets step j extract a value, and returns the name of the variable.
func (v *visit) extract(j int, name, value string, from found) string {
	name = v.newName(name)
	v.vars = append(v.vars, variable{name, value})
	v.steps[j].Extract = append(v.steps[j].Extract, Extract{name, from.kind, from.source})
	return name
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// clean returns a name for a note or a variable, without what does not belong into one.
func clean(name string) string {
	name = strings.Trim(notInName.ReplaceAllString(name, "_"), "_")
	if name = name[:min(len(name), 40)]; name == "" || looksSecret(name) {
		return "value"
	}
	return name
}

func (v *visit) newName(name string) string {
	base := strings.ToLower(clean(name))
	if base[0] >= '0' && base[0] <= '9' || base == "visit" {
		base = "value_" + base
	}
	candidate := base
	for n := 2; slices.ContainsFunc(v.vars, func(known variable) bool { return known.name == candidate }); n++ {
		candidate = fmt.Sprintf("%s_%d", base, n)
	}
	return candidate
}

// escapeTemplate writes a text so that it means itself in a template.
func escapeTemplate(text string) string { return strings.ReplaceAll(text, "${", "$${") }
