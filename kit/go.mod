module github.com/tenfold-go/tenfold/kit

go 1.26.0

require (
	github.com/maypok86/otter/v2 v2.4.0
	github.com/redis/rueidis v1.0.79
)

require golang.org/x/sys v0.49.0 // indirect
