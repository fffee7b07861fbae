package daemon

import (
	"context"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
)

// revive brings an interface up that netifd gave up on, now that its configuration
// can be used. Explicit: somebody says that it has changed; again: nobody does, and
// what was in the way, such as a full disk, may be gone by now.
func (k *keeper) revive(ctx context.Context, explicit, again bool) {
	if k.d.o.Bus == nil || k.conf == nil || k.conf.Disabled || !k.conf.Usable() {
		k.calm()
		return
	}
	s, err := k.d.client.Status(ctx, k.name)
	switch {
	case err == nil && s.Pending: // Nobody tells when a setup fails.
	case err != nil || !apply.GaveUp(s) || !k.d.o.System.State.Failed(k.name) || !explicit && apply.Hopeless(s):
		k.calm()
		return
	case explicit || again:
		k.log.Info("the configuration is good, netifd is told to bring the interface up")
		if err := k.d.client.Start(ctx, k.name); err != nil {
			k.log.Error("netifd does not bring it up", "error", err)
		} else {
			k.revived = true
		}
	}
	k.tryAgain()
}

// Between tries of what failed and may not fail for ever: a disk was full, netifd
// did not answer, the kernel had no memory.
const (
	firstAgain = 2 * time.Second
	lastAgain  = 2 * time.Minute
)

// tryAgain has the keeper try once more, after a wait that grows.
func (k *keeper) tryAgain() {
	if k.again != nil {
		return
	}
	k.delay = min(max(2*k.delay, firstAgain), lastAgain)
	k.again = time.AfterFunc(k.delay, func() { k.post(func(in *inbox) { in.again = true }) })
}

// calm notes that nothing has to be tried again.
func (k *keeper) calm() {
	if k.again != nil {
		k.again.Stop()
	}
	k.again, k.delay = nil, 0
}
