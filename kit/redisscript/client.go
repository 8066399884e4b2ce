package redisscript

import (
	"errors"
	"reflect"

	"github.com/redis/rueidis"
)

// CheckClient returns an error if the client sends commands to replicas. A replica may not have the latest writes yet,
// and sessions, carts and caches depend on them.
//
// rueidis does not expose its options, so the check reads the clients' unexported fields. It finds nothing in a client
// that another package has wrapped.
func CheckClient(client rueidis.Client) error {
	v := reflect.ValueOf(client)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for _, name := range []string{"opt", "mOpt"} {
		o := v.FieldByName(name)
		if !o.IsValid() || o.Kind() != reflect.Pointer || o.IsNil() || o.Type() != reflect.TypeFor[*rueidis.ClientOption]() {
			continue
		}
		if o.Elem().FieldByName("ReplicaOnly").Bool() {
			return errors.New("the client has ReplicaOnly set: use a client that talks to the master")
		}
		if !o.Elem().FieldByName("SendToReplicas").IsNil() {
			return errors.New("the client has SendToReplicas set: use a client that sends all commands to the master")
		}
	}
	return nil
}
