package main

import "testing"

// A command that never listens, and an address without a program: the log says what the node has to do.
func TestUpLogsWhatANodeHasToDoToBecomeReady(t *testing.T) {
	const file = `
services:
  deaf: {run: [sleep, "1000"], nodes: 2}
  elsewhere: {nodes: ["127.0.0.1:1"]}
routes:
  - {path: /, to: deaf}
  - {path: /elsewhere, to: elsewhere}
`
	x := start(t, call{args: append([]string{"up", "-f", "-", "--listen", "127.0.0.1:0", "--admin", "off"}, quiet...), stdin: file})
	x.stderr.await(x, `"msg":"node is not ready","service":"deaf","node":"deaf-\d","after_ms":5000,`+
		`"err":"not ready yet: last probe: [^"]*connection refused","expected":"it listens on 127.0.0.1:\d+, `+
		`which its environment names as HOST and PORT, and answers GET / with 200..399"`)
	x.stderr.await(x, `"msg":"node is not ready","service":"elsewhere","node":"elsewhere-1","after_ms":5000,`+
		`"err":"not ready yet: last probe: [^"]*","expected":"it listens on 127.0.0.1:1, and answers GET / with 200..399"`)
	x.stop()
}
