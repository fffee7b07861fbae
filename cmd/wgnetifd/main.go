// Wgnetifd is WireGuard for OpenWrt's netifd: the protocol handler that netifd
// calls, the backend of LuCI's pages that rpcd calls, and a command for people.
// The name that it is called under decides, then the first argument.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/rpcd"
)

// version is set by the linker; see the Makefile.
var version = "unknown"

// errLogged: the log has what went wrong.
var errLogged = errors.New("see the log")

func main() {
	log := logline.New(os.Stderr)
	err := run(context.Background(), log, os.Args)
	if err == nil {
		return
	}
	if !errors.Is(err, errLogged) {
		for _, line := range lines(err) {
			log.Error(line)
		}
	}
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, log *logline.Logger, argv []string) error {
	name := ""
	if len(argv) > 0 {
		name, argv = filepath.Base(argv[0]), argv[1:]
	}
	switch {
	case strings.HasSuffix(name, ".sh"): // /lib/netifd/proto/wgnetifd.sh
		if err := handler(log).Run(ctx, argv); err != nil {
			return errLogged
		}
		return nil
	case name == rpcd.Object: // /usr/libexec/rpcd/luci.wireguard
		return plugin(log).Run(ctx, argv)
	}
	if len(argv) == 0 {
		return fmt.Errorf("%w: `wgnetifd help` lists the commands", errUsage)
	}
	for _, c := range commands {
		if c.name == argv[0] {
			return c.run(ctx, log, argv[1:])
		}
	}
	switch argv[0] {
	case "-h", "--help":
		return help(ctx, log, nil)
	case "--version":
		return printVersion(ctx, log, nil)
	}
	return fmt.Errorf("%w: there is no command %q, `wgnetifd help` lists them", errUsage, argv[0])
}

// lines returns one line for each error of errors that were joined.
func lines(err error) []string {
	var out []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line != "" {
			out = append(out, line)
		}
	}
	return out
}
