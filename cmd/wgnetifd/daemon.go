package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/daemon"
	"github.com/wgnetifd/wgnetifd/internal/hotplug"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/resolve/mdns"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// gcPercent is how much more than what is in use the heap may grow before it is
// collected: memory is what routers lack, and the daemon has time.
const gcPercent = 30

// runDaemon keeps the interfaces until a signal ends it.
func runDaemon(ctx context.Context, log *logline.Logger, args []string) error {
	o, err := parse(args)
	if err != nil || len(o.rest) > 0 || o.json {
		return errors.Join(err, usage("daemon"))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
	defer stop()
	// From now on: it would end one that waits for another daemon's end.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP)
	defer signal.Stop(hangup)
	sys := system(log, o.config)
	unlock, err := sys.State.LockDaemon(ctx, func() { log.Info("another daemon runs, waiting for its end") })
	if err != nil || ctx.Err() != nil {
		return err
	}
	defer unlock()

	kernel := rtnl.NewSystem()
	dns := resolve.Follow(resolve.ResolvConf)
	options := daemon.Options{
		System:  sys,
		Servers: dns.Version,
		NAT64:   resolve.NewNAT64(dns, time.Now),
		Network: kernel,
		Rules:   kernel,
		Scripts: hotplug.New(hotplug.Options{Log: log}),
		Clock:   clock.NewSystem(),
		Random:  rand.Float64,
		Log:     log,
	}
	local := mdns.First{mdns.NewAvahi("")}
	var d *daemon.Daemon
	ready := make(chan struct{})
	if o.config == "" {
		bus := ubus.Open(ubus.Options{Log: log, Connected: func() {
			<-ready
			d.Connected()
		}})
		defer bus.Close()
		options.Bus = bus
		local = append(local, mdns.NewUmdns(bus))
	}
	options.Names = &resolve.Names{DNS: dns, Local: local}
	d = daemon.New(options)
	close(ready)
	go reloadOn(ctx, hangup, d)
	log.Info("wgnetifd " + version + " keeps the WireGuard interfaces")
	err = d.Run(ctx)
	log.Info("the daemon ends, tunnels stay as they are")
	return err
}

func reloadOn(ctx context.Context, hangup <-chan os.Signal, d *daemon.Daemon) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			d.Reload(ctx, "")
		}
	}
}

// callDaemon calls a method of the daemon's object.
func callDaemon(ctx context.Context, method string, args blobmsg.Table) (blobmsg.Table, error) {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := ubus.Dial(ctx, ubus.DefaultSocket)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the daemon over ubus: %w", err)
	}
	defer conn.Close()
	reply, err := conn.Call(ctx, daemon.Object, method, args)
	switch {
	case errors.Is(err, ubus.StatusMethodNotFound):
		err = status.ErrOther
	case errors.Is(err, ubus.StatusNotFound):
		// The object, or what it was asked for.
		if _, gone := conn.Lookup(ctx, daemon.Object); gone != nil {
			err = status.ErrNoDaemon
		} else {
			err = status.ErrNoInterface
		}
	}
	return reply, err
}

// reload has the daemon apply the configuration and prints what changed.
func reload(ctx context.Context, _ *logline.Logger, args []string) error {
	o, err := parse(args)
	if err != nil || len(o.rest) > 1 || o.config != "" {
		return errors.Join(err, usage("reload"))
	}
	call := blobmsg.Table{}
	if len(o.rest) == 1 {
		call = call.Set("interface", o.rest[0])
	}
	reply, err := callDaemon(ctx, "reload", call)
	if errors.Is(err, status.ErrNoInterface) {
		return fmt.Errorf("%s: %w", o.rest[0], err)
	}
	if err != nil {
		return err
	}
	if o.json {
		_, err = os.Stdout.Write(append(blobmsg.AppendJSON(nil, reply), '\n'))
	} else {
		_, err = os.Stdout.WriteString(daemon.ResultText(reply))
	}
	if text, failed := reply.String("error"); failed {
		err = errors.Join(err, errors.New(text))
	}
	return err
}
