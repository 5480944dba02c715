package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

const demoUsage = `modes for examples, tests and benchmarks:
  demo steady --port N [--every 1s]       answers 200 on 127.0.0.1:N, /health too, and writes numbered lines
  demo crash [--after 20s] [--code 3]     writes lines, then exits with the code
  demo job [--steps 4]                    writes steps for about 2 s and exits with 0
  demo lines [--every D | --rate N] [--bytes N] [--size 100] [--stamp]  numbered lines: one each D, N a second, or as fast as
                                          they are taken, up to N bytes; --stamp: with the unix time in ms after the number
  demo tree                               with a child that ignores SIGTERM, a forked child and a daemon of its own session
`

// demo runs one of the modes by which examples, tests and benchmarks need no other program. It is not a verb of the command
// tree, which these small processes would hold in memory. It returns the exit code.
func demo(ctx context.Context, o Options, args []string) int {
	debug.SetGCPercent(50)
	modes := map[string]func(context.Context, Options, *flag.FlagSet, []string) error{
		"steady": demoSteady, "crash": demoCrash, "job": demoJob, "lines": demoLines, "tree": demoTree, "stay": demoStay, "spawn": demoSpawn,
	}
	if len(args) == 0 || modes[args[0]] == nil {
		fmt.Fprint(o.Stderr, demoUsage)
		return ExitUsage
	}
	fs := flag.NewFlagSet("controlcenter demo "+args[0], flag.ContinueOnError)
	fs.SetOutput(o.Stderr)
	err := modes[args[0]](ctx, o, fs, args[1:])
	if code, ok := errors.AsType[demoExit](err); ok {
		return int(code)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case err != nil:
		fmt.Fprintln(o.Stderr, "controlcenter: demo: "+err.Error())
		return ExitFailed
	}
	return ExitOK
}

// demoExit ends a mode with its number as exit code.
type demoExit int

// Error implements error.
func (d demoExit) Error() string { return "exit " + strconv.Itoa(int(d)) }

// sleep waits and says whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func demoSteady(ctx context.Context, o Options, fs *flag.FlagSet, args []string) error {
	port := fs.Int("port", 0, "port to listen on")
	every := fs.Duration("every", time.Second, "time between lines")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *port < 1 || *port > 65535 || *every <= 0 {
		return errors.New("--port must be 1 to 65535 and --every more than 0")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.URL.Path == "/health" {
			_, _ = io.WriteString(w, "ok\n")
			return
		}
		_, _ = io.WriteString(w, "a steady demo service\n")
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	fmt.Fprintf(o.Stdout, "listening on http://127.0.0.1:%d\n", *port)
	for n := 1; sleep(ctx, *every); n++ {
		fmt.Fprintf(o.Stdout, "%06d all is well\n", n)
	}
	fmt.Fprintln(o.Stdout, "asked to end")
	_ = srv.Close()
	wg.Wait()
	fmt.Fprintln(o.Stdout, "bye")
	return nil
}

func demoCrash(ctx context.Context, o Options, fs *flag.FlagSet, args []string) error {
	after := fs.Duration("after", 20*time.Second, "time until the crash")
	code := fs.Int("code", 3, "exit code")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for begin, n := time.Now(), 1; time.Since(begin) < *after; n++ {
		fmt.Fprintf(o.Stdout, "%06d %s until the crash\n", n, (*after - time.Since(begin)).Round(100*time.Millisecond))
		if !sleep(ctx, min(time.Second, *after-time.Since(begin))) {
			return nil
		}
	}
	fmt.Fprintln(o.Stderr, "fatal: this crash is on purpose")
	return demoExit(*code)
}

func demoJob(ctx context.Context, o Options, fs *flag.FlagSet, args []string) error {
	steps := fs.Int("steps", 4, "number of steps")
	every := fs.Duration("every", 500*time.Millisecond, "time of one step")
	code := fs.Int("code", 0, "exit code")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for n := range *steps {
		fmt.Fprintf(o.Stdout, "step %d of %d\n", n+1, *steps)
		if !sleep(ctx, *every) {
			return errors.New("interrupted")
		}
	}
	fmt.Fprintln(o.Stdout, "done")
	if *code != 0 {
		return demoExit(*code)
	}
	return nil
}

// demoLines writes lines that a reader can check: each begins with its number, 12 digits, and has the same length.
func demoLines(ctx context.Context, o Options, fs *flag.FlagSet, args []string) error {
	every := fs.Duration("every", 0, "time between lines; 0 = as fast as they are taken")
	total := fs.Int64("bytes", 0, "end after about so many bytes; 0 = never")
	size := fs.Int("size", 100, "bytes of a line, its end included, 14 to 65536")
	rate := fs.Int64("rate", 0, "lines a second, in bursts of 10 ms; 0 = by --every")
	stamp := fs.Bool("stamp", false, "the unix time in ms after the number")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *size < 14 || *size > 65536 || *every < 0 || *total < 0 {
		return errors.New("--size must be 14 to 65536, --every and --bytes not negative")
	}
	switch {
	case *rate < 0 || *rate > 0 && *every > 0:
		return errors.New("--rate must not be negative, and not beside --every")
	case *stamp && *size < stampEnd+2:
		return fmt.Errorf("with --stamp --size must be at least %d", stampEnd+2)
	}
	line := []byte(strings.Repeat("0", 12) + " " + strings.Repeat("x", *size-14) + "\n")
	out := bufio.NewWriterSize(o.Stdout, 64<<10)
	begin, lines := time.Now(), int64(0)
	for written := int64(0); (*total == 0 || written < *total) && ctx.Err() == nil; written += int64(len(line)) {
		for i := 11; ; i-- { // counting in place: formatting each line would be what is measured
			if line[i]++; line[i] <= '9' {
				break
			}
			line[i] = '0'
		}
		if *stamp {
			copy(line[stampAt:stampEnd], strconv.FormatInt(time.Now().UnixMilli(), 10))
			line[stampEnd] = ' '
		}
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("write line: %w", err)
		}
		if *every > 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write line: %w", err)
			}
			sleep(ctx, *every)
		}
		if lines++; *rate > 0 && float64(lines) >= time.Since(begin).Seconds()*float64(*rate) {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write line: %w", err)
			}
			sleep(ctx, 10*time.Millisecond)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write line: %w", err)
	}
	return nil
}

// Where the time of a stamped line stands.
const stampAt, stampEnd = 13, 26

// demoTree starts three processes that a supervisor must find when it stops this one: it ends on SIGTERM and leaves them.
func demoTree(ctx context.Context, o Options, fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	fmt.Fprintf(o.Stdout, "tree %d\n", os.Getpid())
	for _, child := range [][]string{{"stay", "--name", "stubborn", "--ignore"}, {"stay", "--name", "forked"}, {"spawn"}} {
		cmd, err := demoChild(o, child...)
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start child: %w", err)
		}
		if child[0] == "spawn" {
			if err := cmd.Wait(); err != nil {
				return fmt.Errorf("start daemon: %w", err)
			}
		}
	}
	<-ctx.Done()
	fmt.Fprintln(o.Stdout, "tree ends and leaves its children")
	return nil
}

// demoSpawn starts a daemon the old way, in a session of its own, and ends, so that nobody knows whose it was.
func demoSpawn(_ context.Context, o Options, fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	cmd, err := demoChild(o, "stay", "--name", "daemon", "--ignore")
	if err != nil {
		return err
	}
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	return nil
}

// demoStay tells its name and stays; with --ignore it ends only when it is killed.
func demoStay(ctx context.Context, o Options, fs *flag.FlagSet, args []string) error {
	name := fs.String("name", "", "name in its line")
	ignore := fs.Bool("ignore", false, "ignore SIGTERM and SIGINT")
	if err := fs.Parse(args); err != nil {
		return err
	}
	fmt.Fprintf(o.Stdout, "%s %d\n", *name, os.Getpid())
	if *ignore {
		ctx = context.WithoutCancel(ctx)
	}
	for sleep(ctx, time.Hour) {
	}
	return nil
}

// demoChild is another mode of this program with the same output.
func demoChild(o Options, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, append([]string{"demo"}, args...)...) // ourselves, and it is to outlive this process
	cmd.Stdout, cmd.Stderr = o.Stdout, o.Stderr
	return cmd, nil
}
