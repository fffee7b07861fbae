package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/proto"
	"github.com/wgnetifd/wgnetifd/rpcd"
	"github.com/wgnetifd/wgnetifd/uci"
)

// busTime is how long a status waits for ubus: it has more to show than netifd
// knows.
const busTime = 2 * time.Second

// configDir returns where the configuration is: the system's, or another folder,
// with the changes that are staged in .uci there: those of /tmp/.uci belong to
// the system's.
func configDir(dir string) uci.Dir {
	if dir == "" {
		return uci.Dir{}
	}
	return uci.Dir{Config: dir, Save: filepath.Join(dir, ".uci")}
}

// system returns the real system.
func system(log *logline.Logger, config string) *apply.System {
	return &apply.System{
		Dir:         configDir(config),
		Devices:     wgdev.NewSystem(),
		Kernel:      rtnl.NewSystem(),
		Resolver:    resolve.System(),
		ResolveTime: apply.ResolveTime,
		Now:         time.Now,
		Log:         log,
	}
}

// sources returns what a status is made of; netifd is asked where it can be.
func sources(ctx context.Context, config string) *status.Sources {
	s := &status.Sources{
		Config:  configDir(config),
		Devices: wgdev.NewSystem(),
		Kernel:  rtnl.NewSystem(),
		Now:     time.Now,
	}
	if config != "" {
		return s // another configuration than netifd's
	}
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	if conn, err := ubus.Dial(ctx, ubus.DefaultSocket); err == nil {
		s.Netifd = &netifd.Client{Bus: conn}
	}
	return s
}

func handler(log *logline.Logger) *proto.Handler {
	return &proto.Handler{
		System: func() *apply.System { return system(log, "") },
		Dial: func(ctx context.Context) (netifd.Bus, error) {
			return ubus.Dial(ctx, ubus.DefaultSocket)
		},
		Stdout: os.Stdout,
		Log:    log,
	}
}

func plugin(log *logline.Logger) *rpcd.Plugin {
	return &rpcd.Plugin{
		Collect: func(ctx context.Context, iface string) (*status.Snapshot, error) {
			return sources(ctx, "").Collect(ctx, iface)
		},
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Log:    log,
	}
}
