package wgdev

// CreateUser is Create on a machine whose kernel has no WireGuard.
func (s *System) CreateUser(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startUser(name)
}
