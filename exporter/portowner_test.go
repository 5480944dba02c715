package exporter

import (
	"net"
	"os"
	"testing"
)

func TestListenerOfNamesThisProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, host := range []string{"", "0.0.0.0", "127.0.0.1", "localhost"} {
		p, err := ListenerOf(t.Context(), host, port)
		if err != nil || p == nil || p.PID != os.Getpid() || p.Process == "" {
			t.Errorf("%q: got %+v, %v, want pid %d", host, p, err, os.Getpid())
		}
	}
	if p, err := ListenerOf(t.Context(), "127.0.0.2", port); err != nil || p != nil {
		t.Errorf("a listener at 127.0.0.1 keeps nobody from 127.0.0.2: got %+v, %v", p, err)
	}
}
