# The few commands that people and CI use. `make` alone lists them.

# TIMEOUT is for the tests of one package. On a slow machine they need more than the 10 minutes of go test.
GO       ?= go
FUZZTIME ?= 60s
SOAK     ?= 20m
KILLS    ?= 200
TIMEOUT  ?= 20m
BENCH    ?=

# The longest begin first. Without DWARF test programs are linked in two thirds of the time; stacks stay readable. Most
# tests wait most of the time: PACKAGES=4 is quicker where nothing else runs, but tests that compute disturb others then.
PACKAGES ?= 2
TESTING   = $(GO) test -p $(PACKAGES) -ldflags=-w -timeout=$(TIMEOUT)
LONGEST   = ./sidecar ./proxy ./discovery/consul ./sidecar/cli
PATH     := $(PATH):/usr/sbin
export PATH

.DEFAULT_GOAL := help
.PHONY: help build test matrix soak kills race lint fuzz bench bench-peers bench-page tools packages clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/gateway, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/gateway .

test: packages tools ## run all tests; first install missing packages, and build Consul and a Collector
	$(TESTING) $(LONGEST) ./docs ./...

matrix: packages tools ## show how the gateway fares when Consul fails: a row a fault (part of test)
	@out=$$($(GO) test ./sidecar -count=1 -run='^TestFaultMatrix$$' -v 2>&1); code=$$?; \
		printf '%s\n' "$$out" | grep -v '^ *\(===\|--- PASS\)'; exit $$code

soak: packages tools ## serve all kinds of traffic for SOAK (20m) while all around fails, and show figures
	$(GO) test ./sidecar -count=1 -run='^TestSoak$$' -soak=$(SOAK) -timeout=0 -v

kills: packages tools ## kill a gateway KILLS (200) times while documents and instances change
	$(GO) test ./sidecar -count=1 -run='^TestKilledAtAnyMoment$$' -kills=$(KILLS) -timeout=0 -v | \
		grep -v '^ *\(===\|--- PASS\)'

# Of docs and deploy the tests only run other programs, which the race detector does not see.
race: packages tools ## run all tests under the race detector
	$(TESTING) -race $(LONGEST) $$($(GO) list ./... | grep -v -e /docs$$ -e /deploy$$)

lint: ## check the format, go vet (also where fallbacks build), locks, golangci-lint
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "not gofmt'ed:"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	tools/locks
	tools/build golangci-lint
	tools/bin/golangci-lint run ./...
	@for main in $$(git ls-files 'tools/*/main.go'); do echo "$${main%/*}: golangci-lint"; \
		(cd "$${main%/*}" && '$(CURDIR)/tools/bin/golangci-lint' run ./...) || exit 1; done

fuzz: ## run each fuzz target for FUZZTIME (60s)
	@git ls-files '*_test.go' | xargs grep -o '^func Fuzz[A-Za-z0-9_]*' | while IFS=: read -r file target; do \
		target=$${target#func }; \
		echo "$${file%/*}: $$target"; \
		$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "./$${file%/*}" </dev/null || exit 1; \
	done

bench: ## run each benchmark once, so that none rots (figures: docs/benchmarks.md)
	$(GO) test -short -ldflags=-w -run='^$$' -bench=. -benchtime=1x ./...

# BENCH has options, such as BENCH='-scenarios h1,tls -rounds 3'; tools/bench lists them.
bench-peers: packages build ## measure CPU and memory beside nginx and HAProxy, and draw a chart (20 minutes)
	$(GO) run -C tools/bench . -gateway '$(CURDIR)/bin/gateway' -out '$(CURDIR)/bin/peers' $(BENCH)

bench-page: packages build ## the same, and write the figures into docs/benchmarks.md
	$(GO) run -C tools/bench . -gateway '$(CURDIR)/bin/gateway' -out '$(CURDIR)/docs/benchmarks' \
		-page '$(CURDIR)/docs/benchmarks.md' $(BENCH)

tools: ## put consul and otelcol for the tests into tools/bin
	tools/build consul otelcol

packages: ## install the system packages that the tests need, if any is missing
	tools/packages

clean: ## remove what was built here (the cache outside the tree stays)
	rm -rf bin tools/bin
