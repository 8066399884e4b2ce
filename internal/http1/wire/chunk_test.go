package wire

import (
	"fmt"
	"testing"
)

func TestChunkLines(t *testing.T) {
	for _, test := range []struct {
		line      string
		n         int
		size      int64
		extension int
		want      *Violation
	}{
		{"1a\r\ndata", 4, 26, 0, nil},
		{"0;a=b\r\n", 7, 0, 4, nil},
		{"7fffffffffffffff\r\n", 18, 1<<63 - 1, 0, nil},
		{"1a\r", 0, 0, 0, nil},
		{"1a\n", 0, 0, 0, BadLineEnd},
		{"8000000000000000\r\n", 0, 0, 0, badChunkSize},
		{"\r\n", 0, 0, 0, badChunkSize},
		{"1 \r\n", 0, 0, 0, badChunkSize},
		{"1;\x00\r\n", 0, 0, 0, badChunkExtension},
	} {
		n, size, extension, v := ReadChunkLine([]byte(test.line), 0)
		if n != test.n || size != test.size || extension != test.extension || v != test.want {
			t.Errorf("%q: got %d, %d, %d, %v", test.line, n, size, extension, v)
		}
	}
	for _, size := range []int{0, 1, 15, 16, 4096, 1<<20 + 3} {
		if got, want := string(AppendChunkSize(nil, size)), fmt.Sprintf("%x\r\n", size); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
