package control

import (
	"context"
	"time"

	"controlcenter/internal/event"
)

// logTime is between looks at whether the logs can be written. A service that waits for its log says nothing by itself, and
// the launcher tells of a fault only when asked.
const logTime = 10 * time.Second

// logMsg says why the service's log cannot be written; "" = it can.
type logMsg struct {
	fault string
	over  string // why there is no fault any more
}

// logFault says why the log of a service cannot be written; "" = it can, or the service has ended: the last fault of one that
// writes no more says nothing of the present. false = nobody knows.
func (m *Manager) logFault(st *Status) (fault string, known bool) {
	if m.o.LogCounts == nil {
		return "", false
	}
	l, known := m.o.LogCounts(st.Key)
	if st.State.Final() {
		l.Fault = ""
	}
	return l.Fault, known
}

// watchLogs hands each service the news of its log.
func (m *Manager) watchLogs(ctx context.Context) {
	if m.o.LogCounts == nil {
		return
	}
	every := time.NewTicker(logTime)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		for _, s := range m.index.Load().list {
			st := s.status()
			msg := logMsg{over: "the service has ended"}
			if !st.State.Final() { // where nothing runs, the launcher is not asked
				fault, known := m.logFault(st)
				if !known {
					continue
				}
				msg = logMsg{fault: fault, over: "it takes what the service writes"}
			}
			if msg.fault == st.LogError {
				continue
			}
			select {
			case s.inbox <- msg:
			default: // it is busy: the next look tells it
			}
		}
	}
}

// logNews takes what is said of the log.
func (s *service) logNews(msg logMsg) {
	if msg.fault == s.logError {
		return
	}
	data := map[string]string{"run": s.rec.Run}
	switch {
	case s.logError == "":
		s.note(event.Warning, "service.log_error", "the log of "+s.spec.DisplayName+" cannot be written", cause{why: msg.fault}, data)
	case msg.fault == "":
		s.note(event.Info, "service.log_error_over", "the trouble with the log of "+s.spec.DisplayName+" is over", cause{why: msg.over}, data)
	}
	s.logError, s.show, s.tell = msg.fault, true, true
}
