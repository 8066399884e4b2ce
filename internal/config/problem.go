package config

import "github.com/tenfold-go/tenfold/internal/strictyaml"

// Problem is one error in tenfold.yaml, or a note about it.
type Problem = strictyaml.Problem

// Problems are all problems of one file.
type Problems = strictyaml.Problems

// wrong returns an error about a value, with a hint that says what would be right.
var wrong = strictyaml.Wrong

// quote returns a value of the file for a message.
var quote = strictyaml.Quote
