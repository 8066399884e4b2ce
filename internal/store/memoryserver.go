package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// RunMemoryServer is the main function of the memory server: the program calls it when it was started with
// [Options.MemoryServer], with the last argument. It is a Redis in the memory of its process. file has the few lines
// of a redis.conf that a private server gets: bind, port and requirepass. It works until ctx ends.
func RunMemoryServer(ctx context.Context, file string) error {
	e, address, err := readServerConfig(file)
	if err != nil {
		return fmt.Errorf("run memory server: %w", err)
	}
	if err := e.listen(address); err != nil {
		return err
	}
	return e.run(ctx)
}

// readServerConfig reads the address and the password. It ignores the other lines of a private server.
func readServerConfig(file string) (e *embedded, address string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[key] = value
	}
	if values["bind"] == "" || values["port"] == "" || values["requirepass"] == "" {
		return nil, "", errors.New("the file wants bind, port and requirepass: only tenfold itself calls this verb")
	}
	return &embedded{password: values["requirepass"]}, net.JoinHostPort(values["bind"], values["port"]), nil
}
