package cache

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/position"
)

// reader takes a reply of the store apart, value by value. Its first error stays.
type reader struct {
	values []rueidis.RedisMessage
	err    error
}

func (r *reader) text() string {
	if r.err != nil {
		return ""
	}
	if len(r.values) == 0 {
		r.err = errors.New("read reply: too short")
		return ""
	}
	m := r.values[0]
	r.values = r.values[1:]
	switch {
	case m.IsNil():
		return ""
	case m.IsInt64():
		n, _ := m.AsInt64()
		return strconv.FormatInt(n, 10)
	}
	s, err := m.ToString()
	if err != nil {
		r.err = fmt.Errorf("read reply: %w", err)
	}
	return s
}

func (r *reader) number() int64 {
	s := r.text()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read reply: %w", err)
	}
	return n
}

func (r *reader) micros() time.Duration { return time.Duration(r.number()) * time.Microsecond }

func (r *reader) position() position.Position {
	p, err := decodePosition(r.text())
	if err != nil && r.err == nil {
		r.err = err
	}
	return p
}

// encodePosition returns a text. The texts of two positions have the same order as the positions, so that the scripts
// can compare them.
func encodePosition(p position.Position) string {
	if p == (position.Position{}) {
		return ""
	}
	return fmt.Sprintf("%016x%016x", p.Timeline, p.Offset)
}

func decodePosition(s string) (p position.Position, err error) {
	if s == "" {
		return p, nil
	}
	if len(s) != 32 {
		return p, fmt.Errorf("read position %q: not 32 digits", s)
	}
	if p.Timeline, err = strconv.ParseUint(s[:16], 16, 64); err == nil {
		p.Offset, err = strconv.ParseUint(s[16:], 16, 64)
	}
	if err != nil {
		return p, fmt.Errorf("read position %q: %w", s, err)
	}
	return p, nil
}
