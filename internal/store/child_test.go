package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// childMain is the other process: the test binary, run again with a role and a directory in its environment.
func childMain(role string) int {
	dir := os.Getenv("STORE_TEST_DIR")
	s, err := Open(context.Background(), Options{Dir: dir, Log: quiet()})
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	switch role {
	case "hold": // keeps the directory until its stdin ends
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case "write": // acknowledges each record on stdout once Update returned; meant to be killed
		from, _ := strconv.Atoi(os.Getenv("STORE_TEST_FROM"))
		if _, err := s.BeginRun(context.Background(), "test"); err != nil {
			fmt.Println("begin:", err)
			return 1
		}
		for i := from; ; i++ {
			err := s.Update(context.Background(), func(tx *Tx) error {
				// Two tables and a delete, so that a torn transaction would show.
				if err := items.Put(tx, fmt.Sprintf("%09d", i), item{N: i}); err != nil {
					return err
				}
				if i%3 == 0 {
					if err := items.Delete(tx, fmt.Sprintf("%09d", i-3)); err != nil {
						return err
					}
				}
				return latest.Put(tx, "latest", i)
			})
			if err != nil {
				fmt.Println("update:", err)
				return 1
			}
			fmt.Println(i)
		}
	}
	return 2
}

var latest = NewTable[int]("latest")

type child struct {
	cmd   *exec.Cmd
	out   *bufio.Scanner
	stdin io.WriteCloser
}

// startChild runs the test binary in a role; it is killed at the end of the test at the latest.
func startChild(t *testing.T, role, dir string, env ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), append(env, "STORE_TEST_ROLE="+role, "STORE_TEST_DIR="+dir)...)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	return c
}
