package daemon

// bypassKeeper keeps the way of NTP and DNS past full tunnels while the clock is
// not set.
type bypassKeeper struct{}

func (b *bypassKeeper) sync(*Daemon)   {}
func (b *bypassKeeper) remove(*Daemon) {}
