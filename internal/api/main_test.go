package api

import (
	"fmt"
	"os"
	"testing"

	"controlcenter/control/keeper"
)

// TestMain is also the keeper that the tests of services start, and the process of another user that sends requests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "keep" {
		os.Exit(keeper.Main(os.Args[2:], "test", os.Stdout, os.Stderr))
	}
	if errand, err := runErrand(); errand {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
