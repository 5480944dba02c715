package cli

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// hideInput makes a console not show what is typed until restore is called; an error when f is no console.
func hideInput(f *os.File) (restore func(), err error) {
	h := windows.Handle(f.Fd())
	var old uint32
	if err := windows.GetConsoleMode(h, &old); err != nil {
		return nil, fmt.Errorf("read the console's mode: %w", err)
	}
	if err := windows.SetConsoleMode(h, old&^windows.ENABLE_ECHO_INPUT); err != nil {
		return nil, fmt.Errorf("set the console's mode: %w", err)
	}
	return func() { _ = windows.SetConsoleMode(h, old) }, nil
}
