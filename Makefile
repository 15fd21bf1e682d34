.DEFAULT_GOAL := help
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD := CGO_ENABLED=1 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
TORTURE ?= 10m
CONFIG ?=
QUEUE ?= redis
SOAK ?= 1m
EVENTS ?= 4000000
PAIR_EVENTS ?= 1000000
PAIRS ?=
FUZZTIME ?= 30s

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Serve with the default configuration
	$(GO) run .

.PHONY: build
build: ## Build ./scratchdata
	$(BUILD) -o scratchdata .

.PHONY: test
test: lint ## Lint, then every test under the race detector
	$(GO) test -race -timeout 30m ./...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt would change: $$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: bench
bench: build ## Print the bench table, then that of bench-pairs (about 10 GB of disk); EVENTS=n for another size, CLICKHOUSE=URL for its figures too
	./scratchdata bench --events $(EVENTS) $(if $(CLICKHOUSE),--clickhouse '$(CLICKHOUSE)')
	$(MAKE) bench-pairs EVENTS=$(PAIR_EVENTS)

.PHONY: bench-go
bench-go: ## Run the benchmarks that live beside the code
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./pkg/... | grep -v endtoend)

.PHONY: bench-pairs
bench-pairs: ## Print what each queue and blob store that is installed costs against the local ones (minutes); PAIRS='redis × s3' for one
	SCRATCH_TEST_EVENTS=$(EVENTS) SCRATCH_TEST_PAIRS='$(PAIRS)' $(GO) test -count=1 -run '^$$' -bench Pairs -benchtime 1x -timeout 4h ./pkg/endtoend

.PHONY: torture
torture: build ## Kill the server under load for TORTURE (10m) and account for every row; CONFIG=f.yaml: five nodes that share it
	./scratchdata torture --duration $(TORTURE) $(if $(CONFIG),--config $(CONFIG))

.PHONY: torture-nodes
torture-nodes: ## The same with five nodes, and with the servers between them, which it starts; QUEUE=redis|rabbitmq|postgres|sqs
	SCRATCH_TEST_REQUIRE=all $(GO) test -count=1 -timeout 0 -v -run TestNodesAndServersAreKilled ./pkg/torture -load $(TORTURE) -queue $(QUEUE)

.PHONY: soak
soak: build ## Load the server steadily for SOAK (1m; 4h by hand), draw its memory into soak.svg, fail when it grows
	./scratchdata soak --duration $(SOAK) --svg soak.svg

.PHONY: soak-servers
soak-servers: ## The same with ClickHouse, S3 and Redis, which it starts, and 1, 2, 4 and 8 workers
	$(GO) test -count=1 -run '^$$' -bench Soak -benchtime 1x -timeout 2h ./pkg/endtoend

.PHONY: readme
readme: ## Run the README's own commands, offline, in an empty directory
	./api/scripts/readme.sh

.PHONY: postgrest
postgrest: build ## Drive /api/rest with the official JavaScript client, read Arrow with JavaScript's (wants node and npm)
	./api/scripts/postgrest.sh

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

.PHONY: clean
clean: ## Remove what was built
	rm -rf scratchdata soak.svg dist
