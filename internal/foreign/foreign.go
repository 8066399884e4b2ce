// Package foreign recognises configuration files of other tools, and names the page that shows how to write the same in a
// tenfold.yaml.
package foreign

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kind is a kind of file of another tool.
type Kind struct {
	What   string         // "an nginx configuration"
	anchor string         // of its part of docs/coming-from.md
	name   *regexp.Regexp // names that such a file usually has; nil when such files have names of any kind
	is     func(o *outline) bool
}

// Recognise returns the kind of a file that is not a tenfold.yaml, by its content or else by its name, or nil if the kind is
// not known. Call it only for a file that has problems as a tenfold.yaml. isKey reports whether a name is a key of the top of
// a tenfold.yaml, or resembles one.
func Recognise(name string, data []byte, isKey func(string) bool) *Kind {
	o := newOutline(data, isKey)
	if o.isOwn() || len(o.lines) == 0 {
		return nil
	}
	for i := range kinds {
		if kinds[i].is(o) {
			return &kinds[i]
		}
	}
	base := strings.ToLower(filepath.Base(name))
	for i := range kinds {
		if k := &kinds[i]; k.name != nil && k.name.MatchString(base) {
			return k
		}
	}
	return nil
}

// Hint names the page that helps with a file of the kind.
func (k *Kind) Hint() string {
	return "docs/coming-from.md#" + k.anchor + " shows how to write the same in a tenfold.yaml"
}

// Names are usual names of files of other tools, of which a project without a tenfold.yaml may have one.
var Names = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml", "Caddyfile", "nginx.conf", "haproxy.cfg"}

// HintFor names the page that helps with a file of that name. It returns "" if the name is not specific to a tool.
func HintFor(name string) string {
	for i := range kinds {
		if k := &kinds[i]; k.name != nil && k.name.MatchString(strings.ToLower(name)) {
			return k.Hint()
		}
	}
	return ""
}

// kinds are the kinds that are recognised, in the order in which they are tried: the ones with the clearest signs
// first.
var kinds = []Kind{
	{"a Kubernetes manifest", "kubernetes", nil, isKubernetes},
	{"a Compose file", "compose", regexp.MustCompile(`^(docker-)?compose(\..+)?\.ya?ml$`), isCompose},
	{"a kamal deploy file", "kamal", nil, isKamal},
	{"a Traefik configuration", "traefik", regexp.MustCompile(`^traefik\.(ya?ml|toml)$`), isTraefik},
	{"an HAProxy configuration", "haproxy", regexp.MustCompile(`^haproxy\.cfg$`), isHAProxy},
	{"an nginx configuration", "nginx", regexp.MustCompile(`^nginx\.conf$`), isNginx},
	{"a Caddyfile", "caddy", regexp.MustCompile(`^caddyfile(\..+)?$|^caddy\.json$`), isCaddy},
	{"a Procfile", "procfile", regexp.MustCompile(`^procfile(\..+)?$`), isProcfile},
}

// outline is the text of a file of an unknown language, by line.
type outline struct {
	text  string
	lines []string        // without comments, empty lines and spaces at the end
	top   map[string]bool // keys in the first column, as YAML and a Procfile have them
	isKey func(string) bool
}

// maxRecognised is how much of a file is looked at.
const maxRecognised = 64 << 10

var (
	topKey   = regexp.MustCompile(`^"?([A-Za-z0-9_.-]+)"?:( |$)`)
	ownInner = regexp.MustCompile(`(?m)(^\s+|[{,]\s*)"?(run|nodes)"?:`)
)

func newOutline(data []byte, isKey func(string) bool) *outline {
	data = data[:min(len(data), maxRecognised)]
	o := &outline{top: map[string]bool{}, isKey: isKey}
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line = strings.TrimRight(line, " \t\r\n")
		if trimmed := strings.TrimLeft(line, " \t"); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		o.lines = append(o.lines, line)
		if m := topKey.FindStringSubmatch(line); m != nil {
			o.top[m[1]] = true
		}
	}
	o.text = strings.Join(o.lines, "\n")
	return o
}

// isOwn reports whether the file is a tenfold.yaml with mistakes: it has keys that only such a file has.
func (o *outline) isOwn() bool {
	if o.top["apiVersion"] && o.top["kind"] {
		return false
	}
	return o.top["routes"] || o.top["listen"] || o.top["services"] && ownInner.MatchString(o.text)
}

// has reports whether all keys are in the first column.
func (o *outline) has(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return !o.top[k] })
}

func (o *outline) matches(form *regexp.Regexp) bool { return form.MatchString(o.text) }

// count returns how many lines match.
func (o *outline) count(form *regexp.Regexp) (n int) {
	for _, line := range o.lines {
		if form.MatchString(line) {
			n++
		}
	}
	return n
}

var (
	apiVersionJSON = regexp.MustCompile(`(?s)^\s*\{.*"apiVersion"\s*:`)
	kindJSON       = regexp.MustCompile(`"kind"\s*:`)
)

func isKubernetes(o *outline) bool {
	return o.has("apiVersion", "kind") || o.matches(apiVersionJSON) && o.matches(kindJSON)
}

var composeKeys = regexp.MustCompile(`(?m)(^\s+|[{,]\s*)"?(image|build)"?:`)

func isCompose(o *outline) bool {
	return o.has("services") && o.matches(composeKeys)
}

func isKamal(o *outline) bool {
	return o.has("service", "image") && (o.has("servers") || o.has("registry") || o.has("proxy"))
}

var (
	traefikTOML   = regexp.MustCompile(`(?m)^\s*\[(entryPoints|providers|certificatesResolvers|(http|tcp|udp)\.(routers|services|middlewares))\b`)
	traefikRouter = regexp.MustCompile(`(?m)^\s+"?(routers|middlewares)"?:`)
)

func isTraefik(o *outline) bool {
	return o.has("entryPoints") || o.has("providers") || o.has("certificatesResolvers") ||
		(o.has("http") || o.has("tcp") || o.has("udp")) && o.matches(traefikRouter) || o.matches(traefikTOML)
}

var (
	haproxySection = regexp.MustCompile(`^(global|defaults|(frontend|backend|listen)\s+\S+.*)$`)
	haproxyKeyword = regexp.MustCompile(`^\s*(bind|server|mode|balance|default_backend|use_backend|option|timeout\s+\w+|acl|http-request)\s+\S`)
)

func isHAProxy(o *outline) bool {
	return o.count(haproxySection) > 0 && o.count(haproxyKeyword) > 0
}

var (
	nginxBlock = regexp.MustCompile(`^\s*(http|server|events|stream|upstream\s+\S+|location\s+.+|map\s+.+)\s*\{`)
	nginxEnd   = regexp.MustCompile(`^\s*[a-z_]+(\s+[^;]*)?;\s*(#.*)?$`)
	nginxWords = regexp.MustCompile(`^\s*(listen|server_name|proxy_pass|proxy_set_header|root|worker_processes|upstream|location|server)\b`)
)

func isNginx(o *outline) bool {
	return o.count(nginxWords) > 0 && (o.count(nginxBlock) > 0 && o.count(nginxEnd) > 0 || o.count(nginxEnd) > 1)
}

var (
	caddyDirective = regexp.MustCompile(
		`^\s*(reverse_proxy|file_server|php_fastcgi|handle|handle_path|respond|encode|redir|rewrite|tls|root|header|log|import|basic_auth|route)\b([^:;]|:[^ ])*$`)
	caddyBlock = regexp.MustCompile(`^[^ \t].*\{$|^\{$|^(:[0-9]+|localhost(:[0-9]+)?|[a-z0-9*-]+(\.[a-z0-9-]+)+(:[0-9]+)?)([, ].*)?$`)
	caddyJSON  = regexp.MustCompile(`^\s*\{\s*"(admin|logging|storage|apps)"\s*:[\s\S]*"(apps|http)"\s*:`)
)

func isCaddy(o *outline) bool {
	return o.count(caddyDirective) > 0 && o.count(caddyBlock) > 0 || o.matches(caddyJSON)
}

var (
	procfileLine = regexp.MustCompile(`^[A-Za-z0-9_-]+:\s+[^\s{\[|>&"'].*$`)
	procfileName = regexp.MustCompile(`^(web|worker|release|clock|scheduler|app|api|jobs?|queue|sidekiq|cron|css|js|vite)\b`)
)

// isProcfile recognises a file in which each line is a name and a command. A tenfold.yaml with mistakes can look like
// that, so no name may resemble a key of the top of the file, and one must be a usual name or have a command with
// arguments.
func isProcfile(o *outline) bool {
	commands := 0
	for _, line := range o.lines {
		name, command, _ := strings.Cut(line, ":")
		if !procfileLine.MatchString(line) || o.isKey(name) {
			return false
		}
		if procfileName.MatchString(name) || strings.Contains(strings.TrimSpace(command), " ") {
			commands++
		}
	}
	return commands > 0
}
