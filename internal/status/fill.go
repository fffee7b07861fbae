package status

// Fill builds the interfaces of a snapshot of what was gathered of them.
func (s *Snapshot) Fill(inputs []*Input) { s.build(inputs) }
