package config

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/tenfold-go/tenfold/internal/dotenv"
	"github.com/tenfold-go/tenfold/internal/strictyaml"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// maxEnvFiles is how many files one service may name.
const maxEnvFiles = 20

// envFiles is env_file: one file of variables, or a list of them. A variable of a later file wins.
type envFiles struct{ s *Service }

func (e envFiles) read(r *reader, n strictyaml.Value) {
	items := r.List(n)
	if len(items) > maxEnvFiles {
		r.Problem(n, wrong("", "%d files are too many: at most %d", len(items), maxEnvFiles))
		return
	}
	for _, item := range items {
		path, ok := r.path(item)
		if !ok {
			continue
		}
		r.names(path)
		e.s.EnvFile = append(e.s.EnvFile, path)
		problems, err := e.s.readEnvFile(path, r.getenv)
		if err != nil {
			r.Problem(item, err)
		}
		for _, p := range problems {
			r.Report(p)
		}
	}
}

func (e envFiles) show() any {
	if len(e.s.EnvFile) == 0 {
		return nil
	}
	return e.s.EnvFile
}

// readEnvFile adds the variables of a file. err says that the file cannot be read; it has no path.
func (s *Service) readEnvFile(path string, getenv func(string) (string, bool)) (Problems, error) {
	data, err := readLimited(path, dotenv.MaxFile+1)
	if err != nil {
		return nil, wrong("a path relative to this file", "cannot read %s: %v", quote(path), pathless(err))
	}
	variables, problems := dotenv.Parse(shortPath(path), data, func(name string) (string, bool) {
		if v, ok := s.fileEnv[name]; ok {
			return v, ok
		}
		return getenv(name)
	})
	if s.fileEnv == nil {
		s.fileEnv = map[string]string{}
	}
	for _, v := range variables {
		if setPerNode(v.Name) {
			s.ignoredEnv = append(s.ignoredEnv, v.Name)
			continue
		}
		s.fileEnv[v.Name] = v.Value
	}
	if len(s.fileEnv) > maxEntries {
		return problems, wrong("", "%d variables are too many: at most %d", len(s.fileEnv), maxEntries)
	}
	return problems, nil
}

// Environment returns what the nodes of the service get in addition to the environment of tenfold: the variables of its files,
// and those of env, which win. The result belongs to the caller.
func (s *Service) Environment() map[string]string {
	all := map[string]string{}
	maps.Copy(all, s.fileEnv)
	maps.Copy(all, s.Env)
	return all
}

// environment adds notes about what is probably a mistake in the environment of a service.
func (n *notes) environment(s *Service) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(s.ignoredEnv))) {
		hint := "remove it from the file"
		if name == "PORT" {
			hint += "; the gateway listens where listen or --listen says"
		}
		n.add("services."+s.Name+".env_file", hint, "%s is ignored: tenfold sets it for each node", name)
	}
	for _, name := range s.literalEnv {
		n.add("services."+s.Name+".env."+name, "${NAME} reads a variable of tenfold's environment",
			"has a $ with a name behind it, which stays as it is: no shell reads env")
	}
}

// diffEnvFiles returns the variables that differ between the files of a service before and now.
func diffEnvFiles(old, new *Config) (all []Change) {
	for i := range new.Services {
		after := &new.Services[i]
		j := slices.IndexFunc(old.Services, func(s Service) bool { return s.Name == after.Name })
		if j < 0 {
			continue
		}
		before := old.Services[j].fileEnv
		names := maps.Clone(after.fileEnv)
		if names == nil {
			names = map[string]string{}
		}
		maps.Copy(names, before)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			a, isNow := after.fileEnv[name]
			b, was := before[name]
			path := "services." + after.Name + ".env_file." + name
			switch {
			case !was:
				all = append(all, Change{path, Added, "", mask})
			case !isNow:
				all = append(all, Change{path, Removed, mask, ""})
			case a != b:
				all = append(all, Change{path, Changed, mask, mask})
			}
		}
	}
	return all
}

// readLimited reads at most limit bytes of a file.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := usertext.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// pathless returns the reason of an error without the path.
func pathless(err error) error {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// shortPath returns a path relative to the working directory, when it is below that.
func shortPath(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
