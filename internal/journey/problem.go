package journey

import "github.com/tenfold-go/tenfold/internal/strictyaml"

// Problem is one error in a journey file, or in a CSV file that it names.
type Problem = strictyaml.Problem

// Problems are all problems of one journey file.
type Problems = strictyaml.Problems

// wrong returns an error about a value, with a hint that says what would be right.
var wrong = strictyaml.Wrong

// quote returns a value of the file for a message.
var quote = strictyaml.Quote
