package api

import (
	"context"
	"time"
)

// cacheRows are the routes by which older clients empty and watch caches. There are none: every answer is read when it is asked
// for, so they only say that.
func (s *Server) cacheRows() []*row {
	g := group("Caches of the older backend")
	said := about("There is no cache to empty: every answer is read when it is asked for. The routes are there for older clients.")
	var rows []*row
	for _, prefix := range []string{"/api/cache", knowledgePrefix + "/cache", agentsPrefix + "/cache"} {
		rows = append(rows,
			typed(s, "POST", prefix+"/invalidate", operator, "Nothing: there is no cache", s.cacheInvalidate, g, said),
			typed(s, "GET", prefix+"/stats", viewer, "Counters of a cache that is not needed", s.cacheStats, g, said))
	}
	return append(rows,
		typed(s, "POST", "/api/cache/invalidate/knowledge", operator, "Nothing: there is no cache", s.cacheInvalidate, g, said),
		typed(s, "POST", "/api/cache/invalidate/agents", operator, "Nothing: there is no cache", s.cacheInvalidate, g, said),
		typed(s, "GET", "/api/cache/health", viewer, "That caching works", s.cacheHealth, g, said))
}

// CacheInvalidated is the answer of a cache that was to be emptied.
type CacheInvalidated struct {
	Success   bool   `json:"success"`
	Status    string `json:"status" example:"success"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

func (s *Server) cacheInvalidate(context.Context, *struct{}) (*answerOf[CacheInvalidated], error) {
	return ok(CacheInvalidated{Success: true, Status: "success", Message: "Nothing is cached: answers are always current", Timestamp: stamp(time.Now())}), nil
}

// CacheStats are counters of a cache.
type CacheStats struct {
	Success   bool   `json:"success"`
	Enabled   bool   `json:"enabled" doc:"Always false"`
	Entries   int    `json:"entries"`
	Hits      int    `json:"hits"`
	Misses    int    `json:"misses"`
	HitRate   num    `json:"hit_rate" doc:"Always null"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

func (s *Server) cacheStats(context.Context, *struct{}) (*answerOf[CacheStats], error) {
	return ok(CacheStats{Success: true, HitRate: unknown(), Timestamp: stamp(time.Now())}), nil
}

// CacheHealth says that caching works.
type CacheHealth struct {
	Success   bool   `json:"success"`
	Status    string `json:"status" example:"healthy"`
	Enabled   bool   `json:"enabled" doc:"Always false"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

func (s *Server) cacheHealth(context.Context, *struct{}) (*answerOf[CacheHealth], error) {
	return ok(CacheHealth{Success: true, Status: "healthy", Timestamp: stamp(time.Now())}), nil
}
