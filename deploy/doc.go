// Package deploy holds the tests of what stands in its folders: Prometheus rules and their unit tests, dashboards, Alertmanager,
// systemd units, the compose file. It has no code of its own. What needs a running Prometheus is in package e2e.
package deploy
