// Command shop is the example shop. See package shop.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tenfold-go/tenfold/examples/shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(shop.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
