# make demo and make test are all that a newcomer needs. Both set up what they need and this machine misses.

GO ?= go

# Both modules: the application and the libraries that a service imports.
PACKAGES := ./... ./kit/...

.PHONY: demo test build release setup soak bench fuzz check

demo: build
	@./bin/tenfold demo

test: setup
	./.ci/test

# The first build compiles about 600 packages. go build prints nothing meanwhile, so the names of the packages are counted.
build:
	@./.ci/build -o bin/tenfold ./cmd/tenfold

# The files of a release, in dist/: static binaries, .deb packages, checksums. VERSION=1.2.3 sets the version.
release:
	./deploy/release $(VERSION)

# What the tests need besides Go: Redis, PostgreSQL, Python, Node.js, a C compiler for the race detector.
setup:
	./.ci/setup

# What CI says beyond the tests.
check:
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	$(GO) vet $(PACKAGES)
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 $(PACKAGES)
	./.ci/vulncheck
	$(GO) test -run '^$$' -bench . -benchtime 1x $(PACKAGES)

# The long runs: faults for minutes, ten thousand connections.
soak: setup
	TENFOLD_SOAK=1 $(GO) test -race -timeout 60m -v -run 'Up' ./cmd/tenfold

# Side by side with nginx, HAProxy, Caddy, wrk and k6, as far as they are installed.
bench: build
	$(GO) run ./bench/proxy
	$(GO) run ./bench/load

# Every fuzzer for a minute.
fuzz:
	@for pkg in $$($(GO) list $(PACKAGES)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime 1m $$pkg || exit 1; \
	  done; \
	done
