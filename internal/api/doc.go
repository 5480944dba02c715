// Package api is everything HTTP: the route table, the one middleware chain before it, the one shape of errors, the
// WebSocket streams, /metrics, and the documents (/openapi.json, /docs, /redoc).
//
// It owns no state of the machine: each answer is made from the sampler's newest snapshot, so the routes agree with each
// other and with /metrics, and a thousand clients cost no more reads than one.
//
// A new route is a handler in the file of its resource and one row in routes.go. A row without a role or a summary is refused
// when the server is built, so authentication cannot be forgotten. The OpenAPI document is made from the rows.
//
// A request passes, in this order: request id, log and metrics, recover, security headers, Host allow-list, CORS and Origin,
// cross-origin protection, authentication, role, query names, body, compression, handler (chain.go).
//
// [Server.Run] owns the goroutines of the streams: one hub, and two per WebSocket. Handlers return after the upgrade. A frame
// is encoded once per tick for all clients; a slow reader loses frames and is cut off, it never delays another one.
package api
