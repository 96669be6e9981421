package plan

// OptionError is a mistake in an option of a source or an output. It says in which, so that it can be shown where the
// option stands.
type OptionError struct {
	Option  string // as given
	Known   []string
	Failure *Failure
}

// Error is the failure's message.
func (e *OptionError) Error() string { return e.Failure.Error() }

// Unwrap gives the failure.
func (e *OptionError) Unwrap() error { return e.Failure }
