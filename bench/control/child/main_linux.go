package main

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	if len(os.Args) < 4 {
		os.Exit(2)
	}
	now := clock()
	c := dial(os.Args[1])
	id, mode, args := os.Args[2], os.Args[3], os.Args[4:]
	say := func(label string, at int64) {
		if _, err := syscall.Write(c, []byte(id+" "+label+" "+strconv.Itoa(os.Getpid())+" "+strconv.FormatInt(at, 10)+"\n")); err != nil {
			os.Exit(1)
		}
	}
	switch mode {
	case "idle":
		say("main", now)
		wait(c)
	case "tick":
		say("main", now)
		go tick()
		wait(c)
	case "lines":
		say("main", now)
		total, _ := strconv.Atoi(args[0])
		lines(total)
		say("done", clock())
		wait(c)
	case "obedient", "deaf":
		terms := make(chan os.Signal, 1)
		signal.Notify(terms, syscall.SIGTERM)
		say("main", now)
		go func() {
			for range terms {
				say("term", clock())
				if mode == "obedient" {
					os.Exit(0)
				}
			}
		}()
		spawn("stubborn", false)
		spawn("forked", false)
		spawn("parent", true)
		wait(c)
	case "parent": // of a daemon made the old way: it ends, and nobody knows whose child that was
		spawn("daemon", true)
	case "stubborn", "daemon":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		say(mode, now)
		wait(c)
	case "forked":
		say(mode, now)
		wait(c)
	default:
		os.Exit(2)
	}
}

func spawn(mode string, session bool) {
	cmd := exec.Command("/proc/self/exe", os.Args[1], os.Args[2], mode)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if cmd.Start() != nil {
		os.Exit(1)
	}
	if mode == "parent" {
		_ = cmd.Wait()
	}
}

// clock is CLOCK_MONOTONIC, which all processes share.
func clock() int64 {
	var ts syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func dial(path string) int {
	c, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil || syscall.Connect(c, &syscall.SockaddrUnix{Name: path}) != nil {
		os.Exit(1)
	}
	return c
}

// wait blocks until the benchmark says how to end, or has gone.
func wait(c int) {
	var b [1]byte
	for {
		n, err := syscall.Read(c, b[:])
		switch {
		case err == syscall.EINTR:
		case n == 1 && err == nil:
			os.Exit(int(b[0]))
		default:
			os.Exit(0)
		}
	}
}

// tick writes numbered lines that name this process. When nobody reads them any more it dies as other programs do.
func tick() {
	for n := 1; ; n++ {
		_, _ = os.Stdout.WriteString("tick " + strconv.Itoa(os.Getpid()) + " " + strconv.Itoa(n) + " all is well\n")
		time.Sleep(100 * time.Millisecond)
	}
}

// lines writes lines of 100 bytes that begin with their number, counted in place: formatting them would be what is measured.
func lines(total int) {
	const size, batch = 100, 640
	block := make([]byte, 0, size*batch)
	line := make([]byte, size)
	for i := range line {
		line[i] = 'x'
	}
	copy(line, "000000000000 ")
	line[size-1] = '\n'
	for n := range total / size {
		for i := 11; ; i-- {
			if line[i]++; line[i] <= '9' {
				break
			}
			line[i] = '0'
		}
		if block = append(block, line...); len(block) == cap(block) || n == total/size-1 {
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(1)
			}
			block = block[:0]
		}
	}
}
