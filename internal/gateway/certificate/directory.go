package certificate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tenfold-go/tenfold/internal/config"
)

// localDirectory is the directory of the local authority below that of certificates.
const localDirectory = "local"

// directory returns a directory below that of the certificates.
func directory(t *config.TLS, name string) (string, error) {
	if t.Storage != "" && t.Storage != config.StorageInStore {
		return filepath.Join(t.Storage, name), nil
	}
	state, err := stateDirectory(os.Getenv)
	if err != nil {
		return "", &StorageError{err}
	}
	return filepath.Join(state, "certificates", name), nil
}

// stateDirectory returns the directory for what tenfold keeps: that of its systemd unit, else that of the user.
func stateDirectory(getenv func(string) string) (string, error) {
	if dir := filepath.SplitList(getenv("STATE_DIRECTORY")); len(dir) > 0 && filepath.IsAbs(dir[0]) {
		return dir[0], nil
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tenfold"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "tenfold"), nil
	}
	return "", errors.New("no state directory: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set")
}

// StorageError is the error of a directory that cannot keep certificates.
type StorageError struct{ Err error }

func (e *StorageError) Error() string { return fmt.Sprintf("keep certificates: %v", e.Err) }
func (e *StorageError) Unwrap() error { return e.Err }

// Hint returns what the user can do about it.
func (e *StorageError) Hint() string {
	return "name a directory that tenfold can write to: tls: {storage: /var/lib/tenfold}"
}
