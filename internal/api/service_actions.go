package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"controlcenter/control"
)

// StartInput are the parameters of start.
type StartInput struct {
	ServiceInput
	Wait string `query:"wait" default:"started" enum:"started,ready,none" doc:"Answer when it has lived 300 ms, when it is healthy (8 s at most), or at once"`
}

// RestartInput are the parameters of restart.
type RestartInput struct {
	StartInput
	Timeout int `query:"timeout" minimum:"1" maximum:"300" doc:"Seconds it has to end by itself before all its processes are killed; default: as its definition says"`
}

// StopInput are the parameters of stop.
type StopInput struct {
	ServiceInput
	Timeout int  `query:"timeout" minimum:"1" maximum:"300" doc:"Seconds it has to end by itself before all its processes are killed; default: as its definition says"`
	Force   bool `query:"force" doc:"Kill at once"`
	Cascade bool `query:"cascade" doc:"Also stop, first, what needs it; without it that is a conflict"`
}

// KillInput are the parameters of kill.
type KillInput struct {
	ServiceInput
	Signal  string `query:"signal" default:"SIGKILL" enum:"SIGHUP,SIGINT,SIGQUIT,SIGKILL,SIGUSR1,SIGUSR2,SIGTERM,SIGCONT,SIGSTOP,SIGWINCH" doc:"SIGKILL ends the whole tree of processes, and it stays stopped; another one is sent to its main process"`
	Cascade bool   `query:"cascade" doc:"Of SIGKILL: also stop, first, what needs it; without it that is a conflict"`
}

// ActionBody is the answer of what was done to a service.
type ActionBody struct {
	Success bool           `json:"success"`
	PID     *int           `json:"pid"`
	Message string         `json:"message"`
	Service control.Object `json:"service" doc:"After it"`
}

// ActionsInput chooses services for a verb.
type ActionsInput struct {
	Verb string   `path:"verb" enum:"start,stop,restart,reload,kill"`
	Tag  []string `query:"tag" maxItems:"100" doc:"Services with one of these tags"`
	Body *ActionsChoice
}

// ActionsChoice is the body of POST /api/services/actions/{verb}.
type ActionsChoice struct {
	Names []string `json:"names,omitempty" maxItems:"1000" doc:"These services"`
	Tags  []string `json:"tags,omitempty" maxItems:"100" doc:"Services with one of these tags"`
	All   bool     `json:"all,omitempty" doc:"All services; start and restart leave jobs alone"`
}

// ActionsBody is its answer.
type ActionsBody struct {
	Success bool           `json:"success" doc:"All went well"`
	Results []ActionResult `json:"results" doc:"In the order of dependencies: what is needed first when starting, last when stopping"`
}

// ActionResult is what was done to one of many services.
type ActionResult struct {
	Name    string `json:"name"`
	Success bool   `json:"success"`
	Status  string `json:"status"`
	Error   string `json:"error,omitempty"`
	Code    string `json:"code,omitempty" doc:"Kind of the error, as in error answers"`
}

func (s *Server) serviceActionRows() []*row {
	g := group("Services")
	const failures = " 404 unknown, 409 not possible now, 500 it failed (with the reason and its last lines), 503 out of processes, memory or descriptors, 504 not in time, 507 a disk is full."
	return []*row{
		typed(s, "POST", "/api/services/actions/{verb}", operator, "Do the same to many services", s.actOnMany, g,
			about("Choose by `names`, `tags` or `all`. Answers 200 also when some failed: `success` and `results` tell.")),
		typed(s, "POST", "/api/services/{name}/start", operator, "Start a service, and first what it needs", s.startService, g,
			about("It runs when its process has lived 300 ms."+failures)),
		typed(s, "POST", "/api/services/{name}/stop", operator, "Stop a service with all its processes", s.stopService, g,
			about("One that does not run is a success."+failures)),
		typed(s, "POST", "/api/services/{name}/restart", operator, "Stop and start a service", s.restartService, g, about("One that does not run is started."+failures)),
		typed(s, "POST", "/api/services/{name}/reload", operator, "Make a service read its configuration anew", s.reloadService, g,
			about("By the signal that its definition names; 409 when it names none.")),
		typed(s, "POST", "/api/services/{name}/kill", operator, "Kill all processes of a service at once, or send it another signal", s.killService, g,
			about("Another signal than SIGKILL is not a stop: when the service ends by it, its restart policy decides. 409 when it does not run.")),
	}
}

// legacy gives failures the status 200 where the configuration asks for it; the body stays.
func (s *Server) legacy(err error) error {
	p := problemOf(err)
	if s.settings().LegacyStatus200 && p.status != http.StatusUnprocessableEntity {
		p.status = http.StatusOK
	}
	return p
}

func waitOf(given string) control.Wait {
	switch given {
	case "ready":
		return control.WaitReady
	case "none":
		return control.WaitNot
	}
	return control.WaitDone
}

// do carries a command out for the caller of a request.
func (s *Server) do(ctx context.Context, c control.Command, did string) (*answerOf[ActionBody], error) {
	m, st, err := s.service(c.Service)
	if err != nil {
		return nil, s.legacy(err)
	}
	c.Service, c.Actor = st.Key, actor(ctx)
	st, err = m.Do(ctx, c)
	if err != nil {
		return nil, s.legacy(named(st, err))
	}
	return acted(st, did), nil
}

// acted is the answer that something was done to a service.
func acted(st *control.Status, did string) *answerOf[ActionBody] {
	b := ActionBody{Success: true, Message: st.Spec.DisplayName + " " + did, Service: st.Object(time.Now())}
	if b.PID = b.Service.PID; b.PID != nil {
		b.Message += fmt.Sprintf(" (pid %d)", *b.PID)
	}
	return ok(b)
}

// named puts the service's name before an error that does not have it.
func named(st *control.Status, err error) error {
	if _, refused := errors.AsType[*control.RefusedError](err); refused && st != nil {
		return fmt.Errorf("%s: %w", st.ID, err)
	}
	return err
}

func (s *Server) startService(ctx context.Context, in *StartInput) (*answerOf[ActionBody], error) {
	did := "was started"
	if in.Wait == "none" {
		did = "is being started"
	}
	return s.do(ctx, control.Command{Service: in.Name, Verb: control.VerbStart, Wait: waitOf(in.Wait)}, did)
}

func (s *Server) restartService(ctx context.Context, in *RestartInput) (*answerOf[ActionBody], error) {
	did := "was restarted"
	if in.Wait == "none" {
		did = "is being restarted"
	}
	return s.do(ctx, control.Command{
		Service: in.Name, Verb: control.VerbRestart, Wait: waitOf(in.Wait), Grace: time.Duration(in.Timeout) * time.Second,
	}, did)
}

func (s *Server) stopService(ctx context.Context, in *StopInput) (*answerOf[ActionBody], error) {
	return s.do(ctx, control.Command{
		Service: in.Name, Verb: control.VerbStop, Grace: time.Duration(in.Timeout) * time.Second, Force: in.Force, Cascade: in.Cascade,
	}, "was stopped")
}

func (s *Server) killService(ctx context.Context, in *KillInput) (*answerOf[ActionBody], error) {
	if in.Signal != "SIGKILL" {
		return s.signalService(ctx, in)
	}
	return s.do(ctx, control.Command{Service: in.Name, Verb: control.VerbKill, Cascade: in.Cascade}, "was killed")
}

// signalService sends a signal that is not an order to stop.
func (s *Server) signalService(ctx context.Context, in *KillInput) (*answerOf[ActionBody], error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, s.legacy(err)
	}
	aimAt(ctx, st.ID+": "+in.Signal) // the path says only "kill"
	st, err = m.Signal(ctx, st.Key, in.Signal, actor(ctx))
	if err != nil {
		return nil, s.legacy(named(st, err))
	}
	return acted(st, "was sent "+in.Signal), nil
}

func (s *Server) reloadService(ctx context.Context, in *ServiceInput) (*answerOf[ActionBody], error) {
	return s.do(ctx, control.Command{Service: in.Name, Verb: control.VerbReload}, "was told to read its configuration anew")
}

func (s *Server) actOnMany(ctx context.Context, in *ActionsInput) (*answerOf[ActionsBody], error) {
	m, err := s.control()
	if err != nil {
		return nil, err
	}
	choice := ActionsChoice{}
	if in.Body != nil {
		choice = *in.Body
	}
	tags := slices.Concat(choice.Tags, in.Tag)
	chosen := len(choice.Names) + len(tags)
	if chosen == 0 && !choice.All || chosen > 0 && choice.All {
		return nil, invalid(FieldError{Loc: []string{"body"}, Msg: "must have names or tags, or else all: true", Type: "missing"})
	}
	verb := control.Verb(in.Verb)
	whom := strings.Join(slices.Concat(choice.Names, tags), ", ")
	if choice.All {
		whom = "all"
	}
	aimAt(ctx, in.Verb+": "+whom)
	outcomes, err := m.DoAll(ctx, control.Command{Verb: verb, Actor: actor(ctx), Cascade: chosen == 0}, choice.Names, tags)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	if verb == control.VerbStop || verb == control.VerbKill {
		slices.Reverse(outcomes)
	}
	b := ActionsBody{Success: true, Results: make([]ActionResult, len(outcomes))}
	for i, o := range outcomes {
		r := ActionResult{Name: o.Service, Success: o.Err == nil}
		if o.Status != nil {
			r.Status = o.Status.State.Wire()
		}
		if o.Err != nil {
			p := problemOf(o.Err)
			if p.cause != nil {
				s.log.Error("act on service", "service", o.Service, "verb", in.Verb, "request_id", infoOf(ctx).id, "err", p.cause)
			}
			r.Error, r.Code, b.Success = p.Message, p.Code, false
		}
		b.Results[i] = r
	}
	return ok(b), nil
}
