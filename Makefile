# Everything here needs Go and nothing else. Programs that tests and the demo
# use are pinned in tools/go.mod, the linter in tools/lint/go.mod.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 30s

# The same commit gives the same bytes: no paths, no build id, and the version
# from us, since Go refuses to ask Git in a clone that belongs to someone else.
export CGO_ENABLED ?= 0
BUILD   := go build -trimpath -buildvcs=false
# A third of a megabyte less: what net and crypto inline is not what takes time.
SMALL   := -gcflags=net/...=-l -gcflags=crypto/...=-l
LDFLAGS := -s -w -buildid= -X main.version=$(VERSION)

# The peers that judge our images in acceptance.
TOOLS := $(addprefix out/tools/,pack crane regctl registry benchstat)
LINT  := out/tools/golangci-lint
export PACK_MANIFEST_TOOLS := $(CURDIR)/out/tools

# Acceptance tests take minutes, so a bare "go test ./..." leaves them out. Their
# results depend on programs and daemons that Go's test cache knows nothing of.
ACCEPTANCE := go test -tags acceptance -count=1 -timeout 30m

.PHONY: help build demo test check lint fmt script acceptance interop fuzz bench docs tools clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build out/pack
	@$(BUILD) $(SMALL) -ldflags '$(LDFLAGS)' -o out/pack ./cmd/pack

demo: build out/tools/pack out/tools/crane ## package, index and publish examples/hello-universe to a registry of its own
	@examples/demo.sh

test: build $(TOOLS) ## run every test: unit, script and acceptance
	@go test ./...
	@$(ACCEPTANCE) ./acceptance/...

check: $(LINT) ## all that must hold before a commit, short of the tests
	@$(LINT) fmt --diff
	@for os in linux windows darwin; do GOOS=$$os go vet -tags acceptance ./... || exit 1; done
	@$(LINT) run
	@for mod in . tools tools/lint; do (cd $$mod && go mod tidy -diff) || exit 1; done

lint: $(LINT) ## run the linters alone
	@$(LINT) run

fmt: $(LINT) ## format the code
	@$(LINT) fmt

script: ## run the script tests of the commands
	@go test ./internal/commands -run TestScripts

acceptance: build $(TOOLS) ## run the acceptance tests
	@$(ACCEPTANCE) ./acceptance/...

interop: build $(TOOLS) ## run the acceptance tests against other programs alone
	@$(ACCEPTANCE) ./acceptance -run Interop

# go test fuzzes one target of one package at a time, so they are listed first.
# A list that is empty means this recipe is broken.
fuzz: ## fuzz each target for FUZZTIME (30s)
	@list=$$(go test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }; \
	targets=$$(echo "$$list" | awk '/^Fuzz/ {n[++k] = $$1} /^ok/ {while (k) print $$2 ":" n[k--]}'); \
	test -n "$$targets" || { echo 'no fuzz targets found'; exit 1; }; \
	for t in $$targets; do \
		echo "fuzz $${t%:*} $${t##*:}"; \
		go test -run '^$$' -fuzz "^$${t##*:}$$" -fuzztime $(FUZZTIME) "$${t%:*}" || exit 1; \
	done

bench: ## run the benchmarks; compare two runs with out/tools/benchstat
	@go test -run '^$$' -bench . -benchmem ./...

docs: ## write the generated parts of the documentation
	@go generate ./...

tools: $(TOOLS) $(LINT) ## build the pinned tools into out/tools

clean: ## remove what make made
	@rm -rf out

# One file each, so that nobody builds a tool they do not use.
out/tools/%: tools/go.mod
	@echo "build $@"
	@cd tools && $(BUILD) -o ../$@ "$$(go list tool | grep '/$*$$')"

$(LINT): tools/lint/go.mod
	@echo "build $@"
	@cd tools/lint && $(BUILD) -o ../../$@ tool
