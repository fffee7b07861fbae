// Package proto is what netifd calls: the handler of the protocol wireguard,
// /lib/netifd/proto/wgnetifd.sh.
package proto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Dump is what the handler answers to dump: one JSON object on one line, the
// flags real booleans, or netifd does not register it.
//
// config is empty on purpose. Announced options are handed to us in argv, which
// every user of the router can read, and whose end at 128 KiB leaves interfaces
// of some hundred peers pending for ever; and a change of one of them makes
// netifd take the interface down and up again. We read the configuration
// ourselves.
const Dump = `{"name":"` + schema.Proto + `","config":[],"no-device":true,"no-proto-task":true,"available":true,"renew-handler":true}`

// busTime bounds each message to netifd; setupTime a setup, names included.
// netifd waits for a setup without end, and so that it never has to, we end it.
const (
	busTime   = 10 * time.Second
	setupTime = 2 * time.Minute
)

// Handler serves netifd's calls.
type Handler struct {
	// System is opened when it is needed: a dump needs nothing.
	System func() *apply.System
	// Dial connects to ubus.
	Dial   func(ctx context.Context) (netifd.Bus, error)
	Stdout io.Writer
	Log    *logline.Logger
}

// errUsage: argv is not of netifd's form.
var errUsage = errors.New("netifd calls this with `'' dump` or `wireguard setup|teardown|renew INTERFACE CONFIG`")

// Run serves one call; args are those behind argv[0]: "", "dump" or protocol,
// action, interface, configuration. An error is in the log already, and netifd
// told.
func (h *Handler) Run(ctx context.Context, args []string) error {
	err := h.run(ctx, args)
	var told *toldError
	if err != nil && !errors.As(err, &told) {
		h.Log.Error(err.Error())
	}
	return err
}

// toldError is in the log before netifd is told that a setup failed: netifd ends
// this process on hearing it.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

func (h *Handler) run(ctx context.Context, args []string) error {
	if len(args) >= 2 && args[1] == "dump" {
		_, err := io.WriteString(h.Stdout, Dump+"\n")
		return err
	}
	if len(args) < 3 || args[2] == "" {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(ctx, setupTime)
	defer cancel()
	iface := args[2]
	switch action := args[1]; action {
	case "setup", "renew":
		return h.up(ctx, iface, action == "setup")
	case "teardown":
		// The configuration that netifd hands over is the old one, and the file may
		// hold a new one by now: neither is needed.
		return h.System().Down(iface)
	default:
		return fmt.Errorf("action %q: %w", action, errUsage)
	}
}

// up serves setup and renew. A setup that fails ends with netifd knowing why,
// and not trying again at once; a renew that fails leaves the interface as it is.
func (h *Handler) up(ctx context.Context, iface string, setup bool) error {
	bus, err := h.dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot reach netifd over ubus, nothing was changed: %w", err)
	}
	client := netifd.Client{Bus: bus}
	s := h.System()
	if setup {
		// Where that is not possible, nor is what Up does, which says why.
		_ = s.State.SetFailed(iface, false)
	}
	_, err = s.Up(ctx, iface, apply.Netifd{Client: client})
	if err == nil || errors.Is(err, netifd.ErrTearingDown) {
		return err
	}
	h.Log.Error(err.Error(), "interface", iface)
	if err := h.refuse(ctx, client, s, iface, setup, err); err != nil {
		h.Log.Error("netifd was not told: "+err.Error(), "interface", iface)
	}
	return &toldError{err}
}

func (h *Handler) dial(ctx context.Context) (netifd.Bus, error) {
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	return h.Dial(ctx)
}

// refuse tells netifd why the interface does not come up.
func (h *Handler) refuse(ctx context.Context, client netifd.Client, s *apply.System, iface string, setup bool, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), busTime)
	defer cancel()
	var failure *apply.Failure
	if !errors.As(cause, &failure) {
		failure = &apply.Failure{Code: apply.CodeDevice, Err: cause}
	}
	told := netifd.Error{Code: failure.Code, Words: failure.Words()}
	if setup && failure.Config() && s.Running(iface) {
		// A tunnel is there and works: a mistake in the file does not end it.
		if err := s.KeepRunning(ctx, iface, client); err != nil {
			return err
		}
		h.Log.Warn("the running tunnel is left as it is", "interface", iface)
		return client.Report(ctx, iface, told)
	}
	if err := client.Report(ctx, iface, told); err != nil {
		return err
	}
	if !setup {
		return nil
	}
	h.Log.Error("the interface stays down until its configuration is mended and it is brought up again", "interface", iface)
	// For the daemon, to which an interface that was taken down by hand looks the
	// same. Netifd may end this process on hearing that it failed.
	if err := s.State.SetFailed(iface, true); err != nil {
		h.Log.Warn("cannot save that the setup failed", "interface", iface, "error", err)
	}
	return client.Fail(ctx, iface)
}
