package cache

import (
	"reflect"
	"strconv"
)

// plainKey returns the default conversions of string and integer keys. ok is false for other types.
func plainKey[K comparable]() (format func(K) string, parse func(string) (K, error), ok bool) {
	t := reflect.TypeFor[K]()
	switch t.Kind() {
	case reflect.String:
		format = func(k K) string { return reflect.ValueOf(k).String() }
		parse = func(s string) (k K, err error) { reflect.ValueOf(&k).Elem().SetString(s); return k, nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		format = func(k K) string { return strconv.FormatInt(reflect.ValueOf(k).Int(), 10) }
		parse = func(s string) (k K, err error) {
			n, err := strconv.ParseInt(s, 10, t.Bits())
			reflect.ValueOf(&k).Elem().SetInt(n)
			return k, err
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		format = func(k K) string { return strconv.FormatUint(reflect.ValueOf(k).Uint(), 10) }
		parse = func(s string) (k K, err error) {
			n, err := strconv.ParseUint(s, 10, t.Bits())
			reflect.ValueOf(&k).Elem().SetUint(n)
			return k, err
		}
	default:
		return nil, nil, false
	}
	return format, parse, true
}
