package api

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"controlcenter/exporter"
)

// HistoryInput are the parameters of GET /api/system/history.
type HistoryInput struct {
	Since string `query:"since" default:"900" maxLength:"40" doc:"Seconds back (1 to 900), or an RFC 3339 time"`
}

// HistoryBody is its answer: columns of one length.
type HistoryBody struct {
	Success    bool             `json:"success"`
	Interval   num              `json:"interval_seconds" doc:"Between two points"`
	Timestamps []int64          `json:"timestamps" doc:"Unix milliseconds, rising"`
	Series     map[string][]num `json:"series" doc:"By name; the name ends in the unit"`
	Cores      [][]num          `json:"cores" doc:"Percent per CPU core"`

	curves exporter.Curves
}

const historySeconds = 900

func (s *Server) history(_ context.Context, in *HistoryInput) (*answerOf[HistoryBody], error) {
	from, err := sinceOf(in.Since, time.Now())
	if err != nil {
		return nil, err
	}
	s.o.Sampler.Snapshot() // the curves show dear parts: this is a reader
	return ok(HistoryBody{curves: s.o.Sampler.History().Since(from)}), nil
}

func sinceOf(given string, now time.Time) (time.Time, error) {
	if n, err := strconv.ParseFloat(given, 64); err == nil {
		if !(n >= 1 && n <= historySeconds) {
			return time.Time{}, invalidQuery("since", "range", "must be between 1 and 900 seconds, or an RFC 3339 time")
		}
		return now.Add(-time.Duration(n * float64(time.Second))), nil
	}
	at, err := time.Parse(time.RFC3339Nano, given)
	if err != nil {
		return time.Time{}, invalidQuery("since", "type", "must be between 1 and 900 seconds, or an RFC 3339 time")
	}
	return at, nil
}

// appendJSON writes the columns straight from the ring's copy: by reflection this body would cost more than all others together.
func (b HistoryBody) appendJSON(out []byte) []byte {
	c := &b.curves
	out = append(out, `{"success":true,"interval_seconds":`...)
	out = num(c.Interval.Seconds()).appendJSON(out)
	out = append(out, `,"timestamps":[`...)
	for i, t := range c.Times {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, t, 10)
	}
	out = append(out, `],"series":{`...)
	names := make([]string, 0, len(c.Values))
	for name := range c.Values {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendQuote(out, name)
		out = appendColumn(append(out, ':'), c.Values[name])
	}
	out = append(out, `},"cores":[`...)
	for i, core := range c.Cores {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendColumn(out, core)
	}
	return append(out, `]}`...)
}

func appendColumn(out []byte, values []float32) []byte {
	out = append(out, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		f := float64(v)
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			out = append(out, "null"...)
		case math.Abs(f) >= 1e6: // bytes and rates: a fraction says nothing
			out = strconv.AppendInt(out, int64(f), 10)
		default:
			out = strconv.AppendFloat(out, math.Round(f*100)/100, 'f', -1, 64)
		}
	}
	return append(out, ']')
}
