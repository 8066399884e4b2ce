package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/usertext"
)

// requestsShare is a part of the requests, above 0 and below 1: 10% or 0.1.
type requestsShare float64

func (s *requestsShare) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(string(text), "%")
	if err := usertext.CheckNumber(number); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a share: write 10%% or 0.1", text)
	case percent:
		v /= 100
	case v >= 1:
		return fmt.Errorf("%q is not a share: write %s%% for percent", text, number)
	}
	if !(v > 0 && v < 1) {
		return fmt.Errorf("%q: want a share above 0%% and below 100%%", text)
	}
	*s = requestsShare(v)
	return nil
}
