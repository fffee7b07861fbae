package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/resolve/mdns"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/proto"
	"github.com/wgnetifd/wgnetifd/rpcd"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
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
	dns := resolve.System()
	local := mdns.First{mdns.NewAvahi("")}
	if config == "" {
		local = append(local, mdns.NewUmdns(shortBus{}))
	}
	return &apply.System{
		Dir:         configDir(config),
		Devices:     wgdev.NewSystem(),
		Kernel:      rtnl.NewSystem(),
		Names:       &resolve.Names{DNS: dns, Local: local},
		NAT64:       resolve.NewNAT64(dns, time.Now),
		ResolveTime: apply.ResolveTime,
		Now:         time.Now,
		Log:         log,
	}
}

// shortBus connects to ubus for each call: hardly any configuration has a name for
// umdns.
type shortBus struct{}

func (shortBus) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	conn, err := ubus.Dial(ctx, ubus.DefaultSocket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Call(ctx, path, method, args)
}

// sources returns what a status is made of; netifd is asked where it can be.
func sources(ctx context.Context, config string) *status.Sources {
	s := &status.Sources{
		Config:  configDir(config),
		Devices: wgdev.NewSystem(),
		Kernel:  rtnl.NewSystem(),
		Now:     time.Now,
		Clock:   clockNow,
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

// clockNow says what one look at the clock shows. Whether it was set before only the
// daemon knows: here it counts as wrong when it certainly is.
func clockNow(time.Time) status.Clock {
	c := status.Clock(clock.NewSystem().State())
	c.Set = !c.Past
	return c
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
		Daemon: daemonClient{},
		Config: func(iface string) (*schema.Interface, error) {
			pkg, err := configDir("").Load(schema.PackageName)
			if err != nil {
				return nil, err
			}
			return schema.Load(pkg, iface)
		},
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Log:    log,
	}
}

// daemonClient asks the daemon over ubus.
type daemonClient struct{}

// Call implements rpcd.Daemon.
func (daemonClient) Call(ctx context.Context, method string, args blobmsg.Table) (blobmsg.Table, error) {
	dialCtx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	conn, err := ubus.Dial(dialCtx, ubus.DefaultSocket)
	if err != nil {
		return nil, status.NoDaemon(err)
	}
	defer conn.Close()
	return status.Client{Bus: conn}.Call(ctx, method, args)
}
