package apply

import (
	"errors"
	"io/fs"

	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// The codes of failures and problems as netifd shows them in an interface's
// errors. LuCI has a text for each.
const (
	CodeConfig      = "CONFIG_UNREADABLE"    // the file cannot be read or parsed
	CodeInterface   = "NO_SUCH_INTERFACE"    // no section, or of another protocol
	CodeOption      = "INVALID_OPTION"       // an option of the interface is not used
	CodePeer        = "INVALID_PEER"         // a peer is left out
	CodePrivateKey  = "NO_PRIVATE_KEY"       // none is there and none can be saved
	CodeNoWireGuard = "NO_WIREGUARD"         // the kernel has none, nor is wireguard-go there
	CodePermission  = "PERMISSION_DENIED"    // not root
	CodeDevice      = "DEVICE_FAILED"        // the kernel refused something else
	CodeResolve     = "ENDPOINT_UNRESOLVED"  // a host name has no address
	CodeNoUplink    = "ENDPOINT_UNREACHABLE" // no route leads to an endpoint past the tunnel
	CodeMore        = "MORE_PROBLEMS"        // there are more than netifd is told
)

// Failure is why an interface cannot come up.
type Failure struct {
	Code string
	Err  error
}

// Error returns what went wrong, for the log.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Config reports whether the configuration is to blame: what runs is then left
// as it is.
func (f *Failure) Config() bool {
	return f.Code == CodeConfig || f.Code == CodePrivateKey || f.Code == CodeOption
}

func fail(code string, err error) error { return &Failure{Code: code, Err: err} }

// loadFailure finds the code for an error of reading the configuration.
func loadFailure(err error) error {
	var parse *uci.ParseError
	switch {
	case errors.As(err, &parse):
		return fail(CodeConfig, err)
	case errors.Is(err, schema.ErrNoInterface), errors.Is(err, schema.ErrOtherProto):
		return fail(CodeInterface, err)
	case errors.Is(err, fs.ErrPermission):
		return fail(CodePermission, notRoot{err})
	}
	return fail(CodeConfig, err)
}

// stateFailure finds the code for an error of the lock, which is the first thing
// that needs root.
func stateFailure(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fail(CodePermission, notRoot{err})
	}
	return fail(CodeDevice, err)
}

// deviceFailure finds the code for an error of the device or its link.
func deviceFailure(err error) error {
	switch {
	case errors.Is(err, wgdev.ErrNoWireGuard):
		return fail(CodeNoWireGuard, err)
	case errors.Is(err, fs.ErrPermission):
		return fail(CodePermission, err) // the device says what to do
	}
	return fail(CodeDevice, err)
}

// notRoot says what to do about EPERM and EACCES.
type notRoot struct{ err error }

func (n notRoot) Error() string { return n.err.Error() + " (run this as root)" }
func (n notRoot) Unwrap() error { return n.err }

// Words returns what netifd shows behind the code: for a problem of an option
// its path, its value and what is right, otherwise the error's text.
func (f *Failure) Words() []string {
	var p *schema.Problem
	if errors.As(f.Err, &p) {
		return []string{p.Path(), p.Value, p.Text}
	}
	return []string{f.Err.Error()}
}
