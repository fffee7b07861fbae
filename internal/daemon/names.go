package daemon

import (
	"net/netip"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/state"
)

// goodNames are the addresses of names at which peers have answered, for the next
// setup. The zero value is ready.
type goodNames struct {
	known state.Names // what was noted since the interface is up
	fresh state.Names // that of known which is not saved yet
	// failed: saving failed last time; the log has it.
	failed bool
}

// noteGood notes that a peer answered at an address of a host.
func (k *keeper) noteGood(host string, addr netip.Addr) {
	if k.names.known[host] == addr {
		return
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return // It has no name that could say another address.
	}
	if k.names.known == nil {
		k.names.known = state.Names{}
	}
	if k.names.fresh == nil {
		k.names.fresh = state.Names{}
	}
	k.names.known[host], k.names.fresh[host] = addr, addr
}

// saveNames saves what was noted. What the setup has saved of other names stays.
func (k *keeper) saveNames() {
	if len(k.names.fresh) == 0 {
		return
	}
	err := k.d.o.System.Remember(k.name, k.names.fresh)
	if err == nil {
		k.names.fresh = nil
	} else if !k.names.failed {
		k.log.Warn("cannot save the addresses of names", "error", err)
	}
	k.names.failed = err != nil
}

// otherServers has names that were not found looked up at once when there are other
// name servers than at the last look.
func (k *keeper) otherServers(now time.Time) {
	if k.d.o.Servers == nil {
		return
	}
	before, servers := k.servers, k.d.o.Servers()
	k.servers = servers
	if before == servers || before == 0 {
		return
	}
	for _, p := range k.peers {
		p.machine.OtherServers(now)
	}
}

// pruneNames forgets the names that the configuration has no more.
func (k *keeper) pruneNames() {
	if len(k.names.known) == 0 {
		return
	}
	wanted := map[string]bool{}
	for _, p := range k.peers {
		for _, s := range p.config.Sources {
			wanted[s.Host] = true
		}
	}
	for host := range k.names.known {
		if !wanted[host] {
			delete(k.names.known, host)
		}
	}
}
