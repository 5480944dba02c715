//go:build !windows

package cli

import "context"

// underManager runs serve. Elsewhere than on Windows a service is a process like any other.
func underManager(ctx context.Context, serve func(context.Context) error) error { return serve(ctx) }
