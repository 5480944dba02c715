package keeper

// spare is not needed: handles are bounded by memory only.
type spare struct{}

func (*spare) fill() {}

func (*spare) lend(do func() error) error { return do() }

func (*keeper) room() error { return nil }
