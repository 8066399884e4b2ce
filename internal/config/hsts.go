package config

import (
	"regexp"
	"strconv"
	"time"
)

const (
	day         = 24 * time.Hour
	defaultHSTS = 365 * day
	maxHSTS     = 2 * 365 * day
)

var days = regexp.MustCompile(`^([1-9][0-9]{0,3})d$`)

// parseHSTS reads off, on, 30d or a duration such as 720h.
func parseHSTS(s string) (time.Duration, error) {
	switch s {
	case "off", "false":
		return 0, nil
	case "on", "true":
		return defaultHSTS, nil
	}
	if seconds.MatchString(s) {
		s += "s"
	}
	d, err := time.ParseDuration(s)
	if m := days.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1]) // four digits
		d, err = time.Duration(n)*day, nil
	}
	switch {
	case err != nil:
		return 0, wrong("on, off or a duration such as 30d or 720h", "%s is not a value of hsts", quote(s))
	case d < time.Second || d > maxHSTS:
		return 0, wrong("on is 365d", "%s is out of range: from 1s to 730d", quote(s))
	}
	return d.Truncate(time.Second), nil
}

func printHSTS(d time.Duration) string {
	switch {
	case d == 0:
		return "off"
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	}
	return printDuration(d)
}
