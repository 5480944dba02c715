package cli

// dial returns a client of the daemon the user means; nothing is sent yet.
func (e *env) dial() (*client, error) {
	u := e.url
	if u == "" {
		u = e.vars["CC_URL"]
	}
	return newClient(u, "", e.userAgent(), e.timeout)
}
