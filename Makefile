# make run, make test: all a newcomer needs. The rest is for who changes the code.
SHELL    := /bin/bash
GO       ?= go
BIN      := bin/controlcenter
PKG      := github.com/prometheus/common/version
VERSION  := $(shell cat VERSION)
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DATE     := $(shell git log -1 --format=%cd --date=format:%Y%m%d-%H:%M:%S 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X $(PKG).Version=$(VERSION) -X $(PKG).Revision=$(REVISION) -X $(PKG).Branch=main -X $(PKG).BuildDate=$(DATE)
TOOL     := $(GO) tool -modfile=tools/go.mod
FUZZTIME ?= 20s
TYPES    := deploy/grafana/check/node_modules/.package-lock.json
export CGO_ENABLED = 0

.PHONY: run build web check-web test-web test test-go test-security check lint gosec fmt race fuzz soak bench bench-exporter bench-ws bench-control bench-kb bench-web bench-micro shots cross docs clean help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/controlcenter
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) .

run: build ## build and start it; uses examples/controlcenter.yaml unless you have a configuration of your own
	@if [ -e controlcenter.yaml ] || [ -e "$${XDG_CONFIG_HOME:-$$HOME/.config}/controlcenter/controlcenter.yaml" ]; \
	then exec $(BIN) serve $(ARGS); else exec $(BIN) serve --config.file=examples/controlcenter.yaml $(ARGS); fi

test: ## everything: installs what it lacks (as root on Debian), static checks, all tests with the race detector
	scripts/need.sh
	-@$(MAKE) --no-print-directory $(TYPES)
	$(MAKE) --no-print-directory check
	$(MAKE) --no-print-directory test-go
	$(MAKE) --no-print-directory test-web

# Grafana's types, against which a test compiles the dashboards. Without npm or network that test is skipped (an error where CI=true).
$(TYPES): deploy/grafana/check/package-lock.json
	cd deploy/grafana/check && npm ci --no-audit --no-fund --silent

test-go: build
	CGO_ENABLED=1 CC_TEST_BINARY=$(CURDIR)/$(BIN) $(GO) test -race -shuffle=on -timeout 20m $(TESTFLAGS) ./...

test-security: build ## the attacks on a running server, a part of make test
	CC_TEST_BINARY=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 10m -run '^TestAttack' $(TESTFLAGS) ./e2e ./internal/api

check: ## format, vet, staticcheck, golangci-lint where installed, example configuration and rules
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt wants to change:"; echo "$$out"; exit 1; fi
	@out=$$($(TOOL) gofumpt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofumpt wants to change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else echo "golangci-lint is not installed: go vet and staticcheck ran instead"; fi
	@if command -v promtool >/dev/null; then for f in deploy/prometheus/prometheus*.yml; do promtool check config --syntax-only $$f || exit 1; done && promtool check rules deploy/prometheus/*.rules.yml; else echo "promtool is not installed: deploy/prometheus was not checked"; fi
	@if command -v amtool >/dev/null; then amtool check-config deploy/alertmanager/alertmanager.yml; else echo "amtool is not installed: deploy/alertmanager was not checked"; fi

lint: ## install golangci-lint once (takes long) and run it
	@command -v golangci-lint >/dev/null || $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	PATH="$$PATH:$$($(GO) env GOPATH)/bin" golangci-lint run ./...

gosec: ## look for insecure code; the first time it builds the tool, which takes minutes
	$(GO) run github.com/securego/gosec/v2/cmd/gosec@v2.30.0 -quiet -exclude=G104,G115,G204,G304 -exclude-dir=bench ./...

fmt: ## format the code
	$(TOOL) gofumpt -w $$(git ls-files '*.go')

race: ## all Go tests with the race detector, uncached
	CGO_ENABLED=1 $(GO) test -race -count=1 -shuffle=on -timeout 20m ./...

fuzz: ## each fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh $(FUZZTIME)

soak: build ## what takes too long for make test: full kill cycles
	CC_TEST_BINARY=$(CURDIR)/$(BIN) CC_SOAK=1 $(GO) test -count=1 -timeout 60m -run 'Killed|Soak' ./e2e ./internal/store ./kb

bench: bench-micro bench-exporter bench-ws bench-control bench-kb bench-web ## all benchmarks

bench-micro: ## Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./control/... ./exporter ./internal/api ./internal/store

bench-exporter: build ## ours beside node_exporter, process-exporter and a psutil server; writes docs/benchmarks.md
	scripts/need.sh
	$(GO) run ./bench/exporter -binary $(BIN) -o docs/benchmarks.md $(ARGS)

bench-ws: build ## WebSocket fan-out and the re-dialling client; writes docs/benchmarks.md
	$(GO) run ./bench/ws -binary $(BIN) -o docs/benchmarks.md $(ARGS)

bench-kb: build ## search beside SQLite FTS5, Xapian and ripgrep over Debian's documentation (ARGS=-small: a tenth); writes docs/benchmarks.md
	scripts/need.sh bench-kb
	$(GO) run ./bench/kb -binary $(BIN) -o docs/benchmarks.md $(ARGS)

bench-control: build ## ours beside supervisord, pm2, runit and s6; writes docs/benchmarks.md; ARGS=-help tells of subsets
	scripts/need.sh bench-control
	$(GO) run ./bench/control -binary $(BIN) -o docs/benchmarks.md $(ARGS)

bench-web: build web/node_modules ## the dashboard in Chromium: load, following a fast log (ARGS=--quick: short); writes docs/benchmarks.md
	scripts/need.sh bench-web
	cd web && node bench/main.mjs -o ../docs/benchmarks.md $(ARGS)

shots: build web/node_modules ## pictures of every page into docs/images, of a stage that lives for 15 minutes (SHOTS_AFTER=seconds)
	-scripts/need.sh shots
	cd web && npm run -s shots

cross: ## build for the other platforms
	GOOS=windows GOARCH=amd64 $(GO) build -trimpath -o bin/windows-amd64/controlcenter.exe .
	GOOS=darwin  GOARCH=arm64 $(GO) build -trimpath -o bin/darwin-arm64/controlcenter .
	GOOS=linux   GOARCH=arm64 $(GO) build -trimpath -o bin/linux-arm64/controlcenter .
	GOOS=windows GOARCH=amd64 $(GO) vet ./...
	GOOS=darwin  GOARCH=arm64 $(GO) vet ./...

web/node_modules: web/package-lock.json
	cd web && npm ci --no-fund --no-audit
	@touch $@

web: web/node_modules ## build the dashboard into web/dist; commit what it writes
	cd web && npm run -s api && npm run -s build

check-web: web ## fail when the committed build of the dashboard, or its types, differ from their source
	@out=$$(git status --porcelain -- web/dist web/src/api/schema.d.ts); if [ -n "$$out" ]; then echo "make web changed these; commit them:"; echo "$$out"; exit 1; fi

test-web: build web/node_modules ## the dashboard: types, unit tests, and the built binary in Chromium
	cd web && npm run -s check && npm test && npm run -s test:browser

docs: ## write the generated documents anew (openapi.json, docs/api.md, docs/configuration.md, docs/metrics.md)
	$(GO) test ./internal/api ./internal/config ./internal/app ./internal/cli ./internal/notify -run 'Current' -update
	$(GO) generate ./deploy/grafana/gen

clean:
	rm -rf bin
