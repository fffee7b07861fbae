package status

import (
	"net/netip"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/endpoint"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Input is what Build makes an interface of. Configuration and device stay in use:
// they must not change as long as the interface is looked at.
type Input struct {
	Name string
	// Conf is nil when the interface is not configured.
	Conf   *schema.Interface
	Routes plan.RouteNumbers // of Conf

	// Actual is the device; ReadErr is why it could not be read.
	Actual    plan.Actual
	ReadErr   error
	Addresses []netip.Prefix // that the kernel has
	Rate      Rate

	// Alone: `wgnetifd up` made the interface, netifd has no part in it.
	Alone bool
	// Netifd is what netifd knows, NetifdErr why that is nothing. Both are nil where
	// nobody was asked.
	Netifd    *netifd.Status
	NetifdErr error

	// Health returns what the daemon knows of a peer in the device, and whether it
	// knows anything. Nil without a daemon; then the handshake's age has to do.
	Health func(schema.Key) (Health, bool)

	Now   time.Time
	Clock Clock
	// OthersConnected: a peer of another interface has a session. A clock that one
	// side takes handshakes by is not why the others do not.
	OthersConnected bool
}

// Health is what the daemon knows of a peer that is in the device: what its
// endpoint.Machine said last.
type Health struct {
	State  endpoint.State
	Reason endpoint.Reason
	Err    error // with endpoint.NoAddress
	// Handshake is when the last handshake was, by a clock that nobody sets; zero:
	// not known, the device's time counts.
	Handshake time.Time
	Rate      Rate
}

// Build makes an interface of what is known of it. It costs no more than a look at
// each peer.
func Build(in *Input) Interface {
	i := Interface{
		Name:       in.Name,
		Configured: in.Conf != nil,
		InKernel:   in.Actual.Exists,
		Index:      in.Actual.Index,
		PublicKey:  in.Actual.PublicKey,
		ListenPort: in.Actual.ListenPort,
		FwMark:     in.Actual.FwMark,
		MTU:        in.Actual.MTU,
		Addresses:  in.Addresses,
		Routes:     in.Routes,
		Rate:       in.Rate,
	}
	if in.Conf != nil {
		i.configured(in.Conf)
	}
	if in.Netifd != nil {
		i.Errors, i.Uptime = in.Netifd.Errors, in.Netifd.Uptime
	}
	i.judge(in)
	i.addPeers(in)
	if in.OthersConnected || i.Connected() > 0 {
		i.trustClock()
	} else if !in.Clock.Set {
		i.blameClock()
	}
	return i
}

// AnyConnected reports whether a peer of the device has a session; see
// Input.OthersConnected.
func AnyConnected(dev *plan.Actual, now time.Time) bool {
	for n := range dev.Peers {
		if fresh(dev.Peers[n].LastHandshake, now) {
			return true
		}
	}
	return false
}

func fresh(handshake, now time.Time) bool {
	age := now.Sub(handshake)
	return !handshake.IsZero() && age >= 0 && age < plan.HandshakeValid
}

func (i *Interface) configured(conf *schema.Interface) {
	i.Disabled, i.Problems = conf.Disabled, conf.Problems
	if i.PublicKey.IsZero() {
		i.PublicKey = conf.PublicKey
	}
	if i.PublicKey.IsZero() && !conf.PrivateKey.IsZero() {
		i.PublicKey = conf.PrivateKey.PublicKey()
	}
	if i.ListenPort == 0 {
		i.ListenPort = conf.ListenPort
	}
	if len(i.Addresses) == 0 {
		i.Addresses = conf.Addresses
	}
}

// addPeers puts the configured peers and those of the device together: the
// configured ones in the order of the file, then the others.
func (i *Interface) addPeers(in *Input) {
	var configured []*schema.Peer
	if in.Conf != nil {
		configured = in.Conf.Peers
	}
	inDevice := make(map[schema.Key]int, len(in.Actual.Peers))
	if len(configured) > 0 {
		for n := range in.Actual.Peers {
			inDevice[in.Actual.Peers[n].PublicKey] = n
		}
	}
	taken := make([]bool, len(in.Actual.Peers))
	i.Peers = make([]Peer, len(configured), max(len(configured), len(taken)))
	for n := range configured {
		c, p := configured[n], &i.Peers[n]
		p.configured(c)
		if k, ok := inDevice[c.PublicKey]; ok && c.Active() {
			taken[k] = true
			p.fill(&in.Actual.Peers[k], in)
		}
		p.judge(i.Up, in)
	}
	for n := range taken {
		if taken[n] {
			continue
		}
		a := &in.Actual.Peers[n]
		i.Peers = append(i.Peers, Peer{Name: a.PublicKey.Short(), PublicKey: a.PublicKey, Age: -1})
		p := &i.Peers[len(i.Peers)-1]
		p.fill(a, in)
		p.judge(i.Up, in)
	}
}

func (p *Peer) configured(c *schema.Peer) {
	*p = Peer{
		Name:            c.Name(),
		Section:         c.Section,
		Description:     c.Description,
		PublicKey:       c.PublicKey,
		HasPresharedKey: !c.PresharedKey.IsZero(),
		RouteAllowedIPs: c.RouteAllowedIPs,
		EndpointHost:    c.Endpoint.Host,
		AllowedIPs:      c.AllowedIPs,
		Keepalive:       c.Keepalive,
		Age:             -1,
		Problems:        c.Problems,
		conf:            c,
	}
	if !c.Endpoint.IsZero() {
		p.EndpointPort = c.Endpoint.Port
	}
}

// fill adds what the device says: of allowed IPs, keepalive and endpoint the
// device's word counts.
func (p *Peer) fill(a *plan.ActualPeer, in *Input) {
	p.InKernel = true
	p.HasPresharedKey = !a.PresharedKey.IsZero()
	p.Endpoint, p.AllowedIPs, p.Keepalive = a.Endpoint, a.AllowedIPs, a.Keepalive
	p.LastHandshake, p.RxBytes, p.TxBytes = a.LastHandshake, a.RxBytes, a.TxBytes
	if !a.LastHandshake.IsZero() {
		p.Age = in.Now.Sub(a.LastHandshake)
	}
}
