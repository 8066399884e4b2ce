package main

import (
	"context"

	"github.com/tenfold-go/tenfold/internal/store"
)

// memoryStoreCmd is the store of a machine without a Redis or Valkey server. It is a separate process, like the private
// redis-server, so that its data survives an upgrade of tenfold.
type memoryStoreCmd struct {
	File string `arg:"" help:"Configuration that tenfold has written."`
}

func (cmd memoryStoreCmd) Run(ctx context.Context) error { return store.RunMemoryServer(ctx, cmd.File) }
