package api

import (
	"context"
	"net/http"
)

// ConfigSetting is one key of the configuration in force.
type ConfigSetting struct {
	Key    string `json:"key"`
	Value  string `json:"value" doc:"As text; secrets masked"`
	Source string `json:"source" doc:"default, file:line, the environment or a flag"`
	Secret bool   `json:"secret"`
}

// ConfigBody is the answer of GET /api/config.
type ConfigBody struct {
	Success  bool            `json:"success"`
	Settings []ConfigSetting `json:"settings"`
}

func (s *Server) configRows() []*row {
	return []*row{typed(s, "GET", "/api/config", admin, "The configuration in force, and where each value comes from", s.config, group("Server"), about("Secrets are masked."))}
}

func (s *Server) config(context.Context, *noInput) (*answerOf[ConfigBody], error) {
	if s.o.Config == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server has no configuration to show")
	}
	list := s.o.Config()
	if list == nil {
		list = []ConfigSetting{}
	}
	return ok(ConfigBody{true, list}), nil
}
