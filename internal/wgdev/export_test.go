package wgdev

import "time"

// CreateUser is Create on a machine whose kernel has no WireGuard.
func (s *System) CreateUser(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startUser(name)
}

// RunDetached is runDetached.
func RunDetached(path string, argv []string, limit time.Duration) (int, error) {
	return runDetached(path, argv, limit)
}
