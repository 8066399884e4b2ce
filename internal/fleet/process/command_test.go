package process

import (
	"slices"
	"testing"
)

func TestPortAsAnArgument(t *testing.T) {
	for _, c := range []struct{ run, want []string }{
		{[]string{"server", "--port", "$PORT"}, []string{"server", "--port", "4711"}},
		{[]string{"server", "--listen=$HOST:${PORT}", "${HOST}"}, []string{"server", "--listen=127.0.0.1:4711", "127.0.0.1"}},
		{[]string{"server", "$PORTAL", "$PORT_X", "${PORT:-1}", "$port", "PORT"}, []string{"server", "$PORTAL", "$PORT_X", "${PORT:-1}", "$port", "PORT"}},
		{[]string{"server", "$PORT.$PORT-"}, []string{"server", "4711.4711-"}},
		{[]string{"/bin/sh", "-c", "envsubst '$PORT'"}, []string{"/bin/sh", "-c", "envsubst '$PORT'"}},
		{[]string{"env", "A=1", "bash", "-c", "x $PORT"}, []string{"env", "A=1", "bash", "-c", "x $PORT"}},
		{[]string{"$PORT"}, []string{"$PORT"}},
	} {
		before := slices.Clone(c.run)
		if got := withPort(c.run, 4711); !slices.Equal(got, c.want) || !slices.Equal(c.run, before) {
			t.Errorf("%q became %q, want %q", c.run, got, c.want)
		}
	}
}
