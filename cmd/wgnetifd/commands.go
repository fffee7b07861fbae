package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// errUsage: the command line is not understood; the exit status is 2.
var errUsage = errors.New("wrong usage")

type command struct {
	name, args, text string
	run              func(ctx context.Context, log *logline.Logger, args []string) error
}

var commands []command

// The list names help, which prints the list.
func init() {
	commands = []command{
		{"status", "[INTERFACE [PEER]] [--json] [--config DIR]", "show interfaces and peers", showStatus},
		{"daemon", "[--config DIR]", "keep the interfaces as configured; ends with SIGTERM, SIGHUP reloads", runDaemon},
		{"reload", "[INTERFACE] [--json]", "have the daemon apply the configuration, print what changed", reload},
		{"up", "[--config DIR] INTERFACE", "bring an interface up without netifd", up},
		{"down", "[--config DIR] INTERFACE", "take an interface down without netifd", down},
		{"support", "[--config DIR]", "print what somebody who helps needs, keys and public addresses masked", writeSupport},
		{"genkey", "", "print a new private key", genkey},
		{"genpsk", "", "print a new preshared key", genpsk},
		{"pubkey", "", "read a private key from standard input, print its public key", pubkey},
		{"version", "", "print the version", printVersion},
		{"help", "", "print this", help},
	}
}

// options takes the flags of the program out of args. Flags may stand before or
// behind what else there is.
type options struct {
	config string
	json   bool
	rest   []string
}

func parse(args []string) (o options, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--json":
			o.json = true
		case arg == "--config" && len(args) > 0:
			o.config, args = args[0], args[1:]
		case strings.HasPrefix(arg, "--config="):
			o.config = strings.TrimPrefix(arg, "--config=")
		case strings.HasPrefix(arg, "-"):
			return o, fmt.Errorf("%w: %s is not understood here", errUsage, arg)
		default:
			o.rest = append(o.rest, arg)
		}
	}
	return o, nil
}

func showStatus(ctx context.Context, _ *logline.Logger, args []string) error {
	o, err := parse(args)
	if err != nil || len(o.rest) > 2 {
		return errors.Join(err, usage("status"))
	}
	only, peer := "", ""
	if len(o.rest) > 0 {
		only = o.rest[0]
	}
	if len(o.rest) > 1 {
		peer = o.rest[1]
	}
	src := sources(ctx, o.config)
	snap, err := src.Collect(ctx, only)
	if err != nil {
		return err
	}
	if snap.Text = peer; peer != "" && !snap.Interfaces[0].Has(peer) {
		return fmt.Errorf("%s has no peer with %q in its name, key, endpoint or allowed IPs", only, peer)
	}
	if src.Netifd != nil {
		snap.Ask(ctx, daemonClient{}, only)
	}
	if !o.json {
		err = snap.WriteText(os.Stdout)
	} else {
		_, err = os.Stdout.Write(append(blobmsg.AppendJSON(nil, snap.All()), '\n'))
	}
	return errors.Join(err, snap.ConfigError)
}

func up(ctx context.Context, log *logline.Logger, args []string) error {
	o, err := parse(args)
	if err != nil || len(o.rest) != 1 || o.json {
		return errors.Join(err, usage("up"))
	}
	_, err = system(log, o.config).Up(ctx, o.rest[0], apply.Kernel{})
	return err
}

func down(_ context.Context, log *logline.Logger, args []string) error {
	o, err := parse(args)
	if err != nil || len(o.rest) != 1 || o.json {
		return errors.Join(err, usage("down"))
	}
	return system(log, o.config).Down(o.rest[0])
}

func usage(name string) error {
	for _, c := range commands {
		if c.name == name {
			return fmt.Errorf("%w: wgnetifd %s %s", errUsage, c.name, c.args)
		}
	}
	return errUsage
}

func genkey(_ context.Context, _ *logline.Logger, args []string) error {
	return printSecret(args, "genkey", apply.NewPrivateKey())
}

func genpsk(_ context.Context, _ *logline.Logger, args []string) error {
	return printSecret(args, "genpsk", apply.NewPresharedKey())
}

// printSecret warns, as wg(8) does, when everybody could read the key.
func printSecret(args []string, name string, k schema.Key) error {
	if len(args) > 0 {
		return usage(name)
	}
	if st, err := os.Stdout.Stat(); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o007 != 0 {
		fmt.Fprintln(os.Stderr, "Warning: writing to world accessible file.\nConsider setting the umask to 077 and trying again.")
	}
	_, err := fmt.Println(k)
	return err
}

func pubkey(_ context.Context, _ *logline.Logger, args []string) error {
	if len(args) > 0 {
		return usage("pubkey")
	}
	const longest = 4096
	data, err := io.ReadAll(io.LimitReader(os.Stdin, longest))
	if err != nil {
		return fmt.Errorf("pubkey: standard input: %w", err)
	}
	k, err := schema.ParseKey(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("pubkey: standard input: %w", err)
	}
	_, err = fmt.Println(k.PublicKey())
	return err
}

func printVersion(context.Context, *logline.Logger, []string) error {
	_, err := fmt.Println("wgnetifd " + version)
	return err
}

func help(context.Context, *logline.Logger, []string) error {
	var b strings.Builder
	b.WriteString("wgnetifd: WireGuard for OpenWrt's netifd\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  wgnetifd %s\n      %s\n", strings.TrimSpace(c.name+" "+c.args), c.text)
	}
	b.WriteString("\nInterfaces and peers are configured in /etc/config/network. netifd calls the\nprogram as /lib/netifd/proto/wgnetifd.sh, rpcd as /usr/libexec/rpcd/luci.wireguard.\n")
	_, err := io.WriteString(os.Stdout, b.String())
	return err
}
