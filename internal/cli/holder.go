package cli

import "fmt"

// portHolder is the process that listens on a TCP port.
type portHolder struct {
	PID     int    `json:"pid"`  // 0 = belongs to somebody else, or to no process we may see
	Name    string `json:"name"` // "" = unknown
	Address string `json:"address"`
}

func (h portHolder) String() string {
	switch {
	case h.PID == 0:
		return "a process of another user (run as root to see which)"
	case h.Name == "":
		return fmt.Sprintf("pid %d", h.PID)
	}
	return fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
}
