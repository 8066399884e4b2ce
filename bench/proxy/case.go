//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// load is one case: what is asked for, over how many connections.
type load struct {
	name        string
	text        string
	answer      int // bytes of the answer's body
	body        int // bytes of the request's body; 0 means GET
	connections int
}

// small is a body with which the whole answer, head and all, has 180 bytes.
var small = 180 - len(answerHead(10))

func allCases() []load {
	return []load{
		{name: "small", text: "GET, an answer of 180 bytes with its head, 64 connections", answer: small, connections: 64},
		{name: "1KiB", text: "GET, 1 KiB, 64 connections", answer: 1 << 10, connections: 64},
		{name: "16KiB", text: "GET, 16 KiB, 64 connections", answer: 16 << 10, connections: 64},
		{name: "1MiB", text: "GET, 1 MiB, 16 connections", answer: 1 << 20, connections: 16},
		{name: "post", text: "POST of 4 KiB, an answer of 180 bytes, 64 connections", answer: small, body: 4 << 10, connections: 64},
	}
}

func caseNames() (names []string) {
	for _, c := range allCases() {
		names = append(names, c.name)
	}
	return names
}

func chooseCases(list string) (chosen []load, err error) {
	if list == "" {
		return allCases(), nil
	}
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(caseNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("no case is called %q: they are %s", name, strings.Join(caseNames(), ", "))
		}
		chosen = append(chosen, allCases()[i])
	}
	return chosen, nil
}

func (c load) path() string { return fmt.Sprintf("/%d", c.answer) }
