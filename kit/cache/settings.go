package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
)

// maxSettingsBytes limits the text of the settings in the store. A longer text is replaced by a hash.
const maxSettingsBytes = 256

// settings returns a text of the settings on which all processes of a cache have to agree. Functions cannot be
// compared, so their result for the zero key stands for them. customKey says that the user has set Options.Key.
func (o *Options[K, V]) settings(customKey bool) string {
	var zero K
	key := reflect.TypeFor[K]().Kind().String()
	if customKey {
		key = resultOf(func() any { return o.Key(zero) })
	}
	tags := "none"
	if o.Tags != nil {
		tags = resultOf(func() any { return slices.Sorted(slices.Values(o.Tags(zero))) })
	}
	text := fmt.Sprintf("L1Lease %s, Key %s, Tags %s", o.Tuning.L1Lease, key, tags)
	if len(text) > maxSettingsBytes {
		sum := sha256.Sum256([]byte(text))
		text = hex.EncodeToString(sum[:])
	}
	return text
}

// resultOf returns the result of call as text. A function that panics on the zero key is valid, because the cache may
// never use that key.
func resultOf(call func() any) (text string) {
	defer func() {
		if recover() != nil {
			text = "function"
		}
	}()
	return fmt.Sprintf("function (%q for the zero key)", call())
}
