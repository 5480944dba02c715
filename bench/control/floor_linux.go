package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
)

// floor is no supervisor: this program itself starts processes, waits for them and starts them again, and does nothing else.
// It tells what of a restart is the kernel's and the child's.
type floor struct {
	services []service
	quit     atomic.Bool
	mu       sync.Mutex
	wg       sync.WaitGroup
	running  map[string]*exec.Cmd
}

const floorName = "fork and wait"

var errFloor = errors.New("not a supervisor")

func (m *floor) write(_ string, services []service) error {
	m.services, m.running = services, map[string]*exec.Cmd{}
	return nil
}

func (m *floor) start(context.Context) error {
	for _, s := range m.services {
		if !s.autostart {
			continue
		}
		m.wg.Go(func() {
			for !m.quit.Load() {
				cmd := exec.Command(s.args[0], s.args[1:]...)
				m.mu.Lock()
				if m.quit.Load() || cmd.Start() != nil {
					m.mu.Unlock()
					return
				}
				m.running[s.id] = cmd
				m.mu.Unlock()
				_ = cmd.Wait()
			}
		})
	}
	return nil
}

func (m *floor) main() int                               { return os.Getpid() }
func (m *floor) all() []int                              { return nil }
func (m *floor) begin(context.Context, string) error     { return errFloor }
func (m *floor) end(context.Context, string) error       { return errFloor }
func (m *floor) list(context.Context) error              { return errFloor }
func (m *floor) command() []string                       { return nil }
func (m *floor) exitCode(context.Context, string) string { return "" }
func (m *floor) logs(string) []string                    { return nil }

func (m *floor) close() {
	m.quit.Store(true)
	m.mu.Lock()
	for _, cmd := range m.running {
		_ = cmd.Process.Kill()
	}
	m.mu.Unlock()
	m.wg.Wait()
}
