package daemon

import (
	"context"
	"errors"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
)

// errAway: netifd is not on the bus. After a restart of ubusd it may take two
// seconds longer than we do: it tries to connect at once, and then every two. What it
// has, it still has then, and tells nobody: we ask again, and leave all as it is.
var errAway = errors.New("netifd is not on ubus; what the configuration says is applied when it is")

// orAway returns err, unless it says that netifd does not know an interface and that
// is because netifd is not there at all: then errAway.
func (d *Daemon) orAway(ctx context.Context, err error) error {
	if !errors.Is(err, netifd.ErrNoInterface) {
		return err
	}
	if _, missing := d.o.Bus.Lookup(ctx, netifd.Object); missing == nil {
		return err
	}
	return errAway
}
