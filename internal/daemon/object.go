package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/history"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Object is the path of the daemon's object on ubus; docs/ubus.md describes it.
const Object = "wireguard"

type handler func(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error)

// publish puts the object on the bus. Where the path is taken, as by
// rpcd-mod-wireguard, the daemon does everything else.
func (d *Daemon) publish(ctx context.Context) {
	var methods []ubus.Method
	add := func(name string, call handler, args ...ubus.Arg) {
		methods = append(methods, ubus.Method{Name: name, Args: args, Call: func(ctx context.Context, r *ubus.Request) (blobmsg.Table, error) {
			t, err := call(ctx, r.Args)
			return t, statusOf(err)
		}})
	}
	iface := ubus.Arg{Name: "interface", Type: blobmsg.TypeString}
	key := ubus.Arg{Name: "public_key", Type: blobmsg.TypeString}
	add("status", d.callStatus, iface)
	add("peers", d.callPeers, argsOf(status.QueryArgs)...)
	add("peer", d.callPeer, argsOf(status.PeerRefArgs)...)
	add("history", d.callHistory, iface, key, ubus.Arg{Name: "step", Type: blobmsg.TypeString})
	add("reload", d.callReload, iface)
	add("resolve", d.callResolve, iface, key)
	add("genkey", genkey)
	add("genpsk", genpsk)
	add("pubkey", pubkey, ubus.Arg{Name: "private", Type: blobmsg.TypeString})
	d.tasks.Go(func() { d.keepPublished(ctx, methods) })
}

// republish is how often a path that is taken is tried for again, should nobody
// tell when what took it, as an rpcd with rpcd-mod-wireguard, goes.
const republish = time.Minute

func (d *Daemon) keepPublished(ctx context.Context, methods []ubus.Method) {
	if d.o.Bus.Connected(ctx) != nil {
		return
	}
	free := make(chan struct{}, 1)
	removed, err := d.o.Bus.Listen(ctx, "ubus.object.remove", func(_ string, data blobmsg.Table) {
		if path, _ := data.String("path"); path != Object {
			return
		}
		select {
		case free <- struct{}{}:
		default:
		}
	})
	if err == nil {
		defer removed.Close()
	}
	told := false
	for wait := time.Second; ctx.Err() == nil; wait = republish {
		object, err := d.o.Bus.Publish(ctx, Object, methods)
		if err == nil {
			if told {
				d.log.Info("the ubus object " + Object + " is published by now")
			}
			d.mu.Lock()
			d.object = object
			d.mu.Unlock()
			return
		}
		// ubusd may not have noticed yet that the daemon before this one has gone.
		if !told && wait > time.Second && ctx.Err() == nil {
			d.log.Error("the ubus object "+Object+" cannot be published: remove rpcd-mod-wireguard if it is there, then /etc/init.d/rpcd reload; everything else goes on", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
		case <-free:
		case <-time.After(wait):
		}
	}
}

func argsOf(samples blobmsg.Table) (args []ubus.Arg) {
	for _, f := range samples {
		a := ubus.Arg{Name: f.Name, Type: blobmsg.TypeString}
		switch f.Value.(type) {
		case bool:
			a.Type = blobmsg.TypeBool
		case int:
			a.Type = blobmsg.TypeInt32
		}
		args = append(args, a)
	}
	return args
}

// statusOf returns an error as ubus tells it.
func statusOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, status.ErrArgument):
		return fmt.Errorf("%w: %w", ubus.StatusInvalidArgument, err)
	case errors.Is(err, status.ErrNoInterface), errors.Is(err, status.ErrNoPeer), errors.Is(err, errNoHistory):
		return fmt.Errorf("%w: %w", ubus.StatusNotFound, err)
	}
	return err
}

func (d *Daemon) callStatus(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	iface, err := status.Word(args, "interface")
	if err != nil {
		return nil, err
	}
	snap, err := d.snapshot(ctx, iface)
	if err != nil {
		return nil, err
	}
	return snap.StatusTable(), nil
}

func (d *Daemon) callPeers(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	q, err := status.ParseQuery(args)
	if err != nil {
		return nil, err
	}
	snap, err := d.snapshot(ctx, "")
	if err != nil {
		return nil, err
	}
	return snap.PeersTable(q)
}

func (d *Daemon) callPeer(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	ref, err := status.ParsePeerRef(args)
	if err != nil {
		return nil, err
	}
	snap, err := d.snapshot(ctx, "")
	if err != nil {
		return nil, err
	}
	_, p, err := snap.Find(ref)
	if err != nil {
		return nil, err
	}
	return snap.PeerTable(ref, d.candidatesOf(ctx, ref, p.PublicKey))
}

func (d *Daemon) callReload(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	iface, err := status.Word(args, "interface")
	if err != nil {
		return nil, err
	}
	result := d.Reload(ctx, iface)
	if errors.Is(result.Err, status.ErrNoInterface) {
		return nil, result.Err
	}
	return result.Table(), nil
}

func (d *Daemon) callResolve(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	iface, err := status.Word(args, "interface")
	if err != nil {
		return nil, err
	}
	key, err := keyArg(args)
	if err != nil {
		return nil, err
	}
	keepers := d.all()
	if iface != "" {
		k := d.keeper(iface)
		if k == nil {
			return nil, fmt.Errorf("%s: %w", iface, status.ErrNoInterface)
		}
		keepers = []*keeper{k}
	}
	total := 0
	for _, k := range keepers {
		done := make(chan int, 1)
		if err := k.ask(ctx, anyAge, func(now time.Time) { done <- k.resolve(now, key) }); err != nil {
			return nil, err
		}
		total += <-done
	}
	return blobmsg.Table{{Name: "resolving", Value: total}}, nil
}

func keyArg(args blobmsg.Table) (key schema.Key, err error) {
	text, err := status.Word(args, "public_key")
	if err != nil || text == "" {
		return key, err
	}
	if key, err = schema.ParseKey(text); err != nil {
		return key, fmt.Errorf("%w: public_key: %w", status.ErrArgument, err)
	}
	return key, nil
}

// resolve has the names of a peer, or with the zero key of all, looked up now.
func (k *keeper) resolve(now time.Time, only schema.Key) (n int) {
	for key, p := range k.peers {
		if !only.IsZero() && key != only {
			continue
		}
		for i := range p.config.Sources {
			k.lookUp(key, p, i)
			n++
		}
	}
	return n
}

var (
	errNoHistory = errors.New("there is no history of that")
	errWatched   = errors.New("too many are watched by the second already, ask again in half a minute")
)

func (d *Daemon) callHistory(_ context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	iface, err := status.Word(args, "interface")
	if err != nil {
		return nil, err
	}
	key, err := keyArg(args)
	if err != nil {
		return nil, err
	}
	step, err := status.Word(args, "step")
	if err != nil {
		return nil, err
	}
	k := d.keeper(iface)
	if k == nil {
		return nil, fmt.Errorf("%s: %w", iface, status.ErrNoInterface)
	}
	now := time.Now()
	var series history.Series
	ok := false
	switch step {
	case "", "minute":
		series, ok = d.history.Minutes(now, iface, key)
	case "second":
		if !d.history.Watched(now, iface) {
			defer k.post(func(in *inbox) { in.look = true })
		}
		if !d.history.Watch(now, iface, key) {
			return nil, errWatched
		}
		if series, ok = d.history.Seconds(now, iface, key); !ok {
			series, ok = history.Series{Start: now, Step: time.Second}, true
		}
	default:
		return nil, fmt.Errorf("%w: step: minute or second is right here", status.ErrArgument)
	}
	if !ok {
		return nil, errNoHistory
	}
	t := blobmsg.Table{{Name: "interface", Value: iface}}
	if !key.IsZero() {
		t = append(t, blobmsg.Field{Name: "public_key", Value: key.String()})
	}
	return append(t, blobmsg.Table{
		{Name: "time", Value: now.Unix()},
		{Name: "step", Value: int(series.Step / time.Second)},
		{Name: "start", Value: series.Start.Unix()},
		{Name: "rx", Value: numbers(series.Rx)},
		{Name: "tx", Value: numbers(series.Tx)},
	}...), nil
}

func numbers(list []int64) blobmsg.Array {
	out := make(blobmsg.Array, len(list))
	for n, v := range list {
		out[n] = v
	}
	return out
}

func genkey(context.Context, blobmsg.Table) (blobmsg.Table, error) {
	key := apply.NewPrivateKey()
	return blobmsg.Table{{Name: "private", Value: key.String()}, {Name: "public", Value: key.PublicKey().String()}}, nil
}

func genpsk(context.Context, blobmsg.Table) (blobmsg.Table, error) {
	return blobmsg.Table{{Name: "preshared", Value: apply.NewPresharedKey().String()}}, nil
}

func pubkey(_ context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	text, _ := args.String("private")
	key, err := schema.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w: private: %w", status.ErrArgument, err)
	}
	return blobmsg.Table{{Name: "public", Value: key.PublicKey().String()}}, nil
}
