package storage

import "time"

// SetPage sets how many objects a request lists at most, for tests that have less time than users have objects.
func (s *Store) SetPage(n int) { s.page = n }

// SetPatience sets how long one try may take.
func (s *Store) SetPatience(d time.Duration) { s.patience = d }
