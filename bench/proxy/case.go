//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// load is one case of the benchmark.
type load struct {
	name        string
	text        string
	response    int // bytes of the response body
	body        int // bytes of the request body; 0 means GET
	connections int
}

// small is the size of a body for which the whole response, with its head, has 180 bytes.
var small = 180 - len(responseHead(10))

func allCases() []load {
	return []load{
		{name: "small", text: "GET, a response of 180 bytes with its head, 64 connections", response: small,
			connections: 64},
		{name: "1KiB", text: "GET, 1 KiB, 64 connections", response: 1 << 10, connections: 64},
		{name: "16KiB", text: "GET, 16 KiB, 64 connections", response: 16 << 10, connections: 64},
		{name: "1MiB", text: "GET, 1 MiB, 16 connections", response: 1 << 20, connections: 16},
		{name: "post", text: "POST of 4 KiB, a response of 180 bytes, 64 connections", response: small, body: 4 << 10,
			connections: 64},
	}
}

func caseNames() (names []string) {
	for _, c := range allCases() {
		names = append(names, c.name)
	}
	return names
}

// chooseCases returns the cases of a comma-separated list, or all cases if the list is empty.
func chooseCases(list string) (chosen []load, err error) {
	if list == "" {
		return allCases(), nil
	}
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(caseNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("unknown case %q: want %s", name, strings.Join(caseNames(), ", "))
		}
		chosen = append(chosen, allCases()[i])
	}
	return chosen, nil
}

func (c load) path() string { return fmt.Sprintf("/%d", c.response) }
