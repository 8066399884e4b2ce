package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of testdata from what the code does now")

// environ is the environment for all golden files.
var environ = map[string]string{
	"ADMIN_TOKEN":  "hidden-token-of-the-admin",
	"DATABASE_URL": "hidden://database",
	"HOME_TOWN":    "hidden ${town}",
	"EMPTY":        "",
	"JWT_SECRET":   "hidden-secret-of-thirty-two-byte",
	"JWT_SHORT":    "hidden-secret-of-thirty-one-byt",
}

// testDir makes a directory with the files that golden files refer to.
func testDir(t testing.TB) *Options {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeKeyPair(t, filepath.Join(dir, "shop.crt"), filepath.Join(dir, "shop.key"))
	writeKeyPair(t, filepath.Join(dir, "other.crt"), filepath.Join(dir, "other.key"))
	return &Options{Dir: dir, Getenv: func(name string) (string, bool) { v, ok := environ[name]; return v, ok }}
}

func writeKeyPair(t testing.TB, cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"shop.example", "*.shop.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: certDER},
		key:  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// goldenFiles runs f on every file of a folder. The result of f must equal the golden file next to it, where DIR stands for the
// test directory.
func goldenFiles(t *testing.T, folder, suffix string, least int, f func(t *testing.T, name string, data []byte, o *Options) string) {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".effective.yaml") {
			continue
		}
		count++
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o := testDir(t)
			got := strings.ReplaceAll(f(t, name+".yaml", data, o), o.Dir, "DIR")
			golden := strings.TrimSuffix(path, ".yaml") + suffix
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v (go test -update writes it)", err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if strings.Contains(got, "hidden") {
				t.Error("a secret is shown")
			}
		})
	}
	if count < least {
		t.Errorf("found %d files in testdata/%s, there were %d", count, folder, least)
	}
}

func TestGoodFiles(t *testing.T) {
	goldenFiles(t, "good", ".effective.yaml", 25, func(t *testing.T, name string, data []byte, o *Options) string {
		c, err := Parse(name, data, o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("effective", c.yaml(), o)
		if err != nil {
			t.Fatalf("the effective file is refused: %v\n%s", err, c.yaml())
		}
		if !reflect.DeepEqual(c, again) {
			t.Errorf("the effective file differs:\ngot  %+v\nwant %+v", again, c)
		}
		for i := range c.Services {
			checkJSON(t, c.Services[i])
		}
		var out bytes.Buffer
		for _, note := range c.Notes() {
			fmt.Fprintf(&out, "# note: %s\n", strings.ReplaceAll(note.String(), "\n", "\n# "))
		}
		out.Write(c.YAML())
		return out.String()
	})
}

// checkJSON reports an error when a service changes on its way to the successor of a process, as JSON. A new field without an
// exported name would be lost.
func checkJSON(t *testing.T, s Service) {
	t.Helper()
	text, err := json.Marshal(s)
	var got Service
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	s.startNodes, s.ignoredEnv, s.literalEnv = 0, nil, nil // for the start, and for notes
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("as JSON, service %q is %+v, want %+v; %v", s.Name, got, s, err)
	}
}

func TestBadFiles(t *testing.T) {
	goldenFiles(t, "bad", ".txt", 40, func(t *testing.T, name string, data []byte, o *Options) string {
		c, err := Parse(name, data, o)
		if err == nil {
			t.Fatalf("was accepted:\n%s", c.YAML())
		}
		if _, ok := err.(Problems); !ok {
			t.Errorf("got a %T, want Problems", err)
		}
		return err.Error() + "\n"
	})
}
