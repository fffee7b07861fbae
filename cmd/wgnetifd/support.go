package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/support"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
)

// writeSupport prints what somebody who helps needs to know, without what is nobody's
// business.
func writeSupport(ctx context.Context, _ *logline.Logger, args []string) error {
	o, err := parse(args)
	if err != nil || len(o.rest) > 0 || o.json {
		return errors.Join(err, usage("support"))
	}
	s := &support.Sources{
		Version: version,
		Root:    "/",
		Config:  configDir(o.config),
		Devices: wgdev.NewSystem(),
		Kernel:  rtnl.NewSystem(),
		Snapshot: func(ctx context.Context) (*status.Snapshot, error) {
			src := sources(ctx, o.config)
			snap, err := src.Collect(ctx, "")
			if err == nil && src.Netifd != nil {
				snap.Ask(ctx, daemonClient{}, "")
			}
			return snap, err
		},
		Log: support.Logread,
		Now: time.Now,
	}
	return s.Write(ctx, os.Stdout)
}
