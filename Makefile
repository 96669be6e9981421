# Every target says what it does after '##'; `make help` lists them.
GO      ?= go
BIN     := bin
DATA    ?= ../shared/data
VERSION ?= dev
# Leaves the gRPC transport of Google's storage client out: 20 MB less, and 10 ms less at every start.
TAGS    := disable_grpc_modules
# The rooms with goroutines: the race detector (which needs a C compiler) runs on these.
RACE := ./api/... ./coordinator/... ./worker/... ./shuffle/... ./storage/... ./udf/...

export CGO_ENABLED ?= 0
# Plugins are built with -trimpath, so that their digest does not depend on where they were built. The same flag
# everywhere lets all builds share one cache.
export GOFLAGS := $(GOFLAGS) -trimpath

.PHONY: help build man run test check fmt vet lint race e2e soak crashes faults stores rejects airflow docs quickstart captures skew simulate bench bench-tpch bench-training bench-udf bench-memory bench-cluster verify python interop fuzz cover generate tidy-tree clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

build: ## Build the quern binary into bin/
	$(GO) build -tags $(TAGS) -ldflags "-X main.version=$(VERSION)" -o $(BIN)/quern ./cmd/quern

man: build ## Write a manual page for each command into bin/man/man1
	$(BIN)/quern docs man $(BIN)/man/man1

run: ## Run the main job on the flights in testdata, embedded
	$(GO) run ./cmd/quern run testdata/jobs/flight_delay.yaml -p ds=2001-01-10

test: ## Run all tests (needs only Go)
	$(GO) test ./... ./testdata/plugins/...

check: fmt vet lint test race tidy-tree ## Format, vet, staticcheck, tests, race, clean tree: what a change must pass

fmt: ## Fail if a file is not gofmt-ed
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "not gofmt-ed:"; echo "$$files"; exit 1; }

vet: ## Run go vet
	$(GO) vet ./... ./testdata/plugins/...

lint: ## Run staticcheck
	$(GO) tool staticcheck ./...

race: ## Run the tests of the concurrent rooms under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $(RACE)

e2e: build ## Run the end-to-end tests alone: real processes, some of them killed
	$(GO) test -count=1 -v ./e2e/...

ROUNDS ?= 20
SEED   ?=
soak: ## Break a cluster ROUNDS times at random moments (SEED repeats), with the flights and, on 1, 3 and 8 workers, the ranking jobs: same bytes, nothing left behind
	QUERN_SOAK=$(ROUNDS) QUERN_SOAK_SEED=$(SEED) $(GO) test ./e2e -run Soak -count=1 -v -timeout 0

CYCLES ?= 50
crashes: ## Kill runs CYCLES times at random moments of a commit, in one process and on a cluster, while a dataset is read (SEED repeats): no reader sees a part
	QUERN_CYCLES=$(CYCLES) QUERN_SOAK_SEED=$(SEED) $(GO) test ./e2e -run TestReaders -count=1 -v -timeout 0

faults: ## Break a real cluster in all the ways of docs/reliability.md, then ROUNDS times at random (SEED repeats); as root it does more
	@command -v nft >/dev/null && command -v strace >/dev/null || { test $$(id -u) = 0 && apt-get install -y -q nftables strace iproute2 || true; }
	$(GO) test -tags failpoint ./internal/failpoint
	QUERN_FAULTS=1 $(GO) test ./e2e -run 'Test(F[0-9]|Wire|IdenticalSubmits|ClientHistory|TwentyLeaders|HalfTime)' -count=1 -v -timeout 0
	QUERN_SOAK=$(ROUNDS) QUERN_SOAK_SEED=$(SEED) $(GO) test ./e2e -run TestSoak$$ -count=1 -v -timeout 0

rejects: ## Run a plugin that panics on one of ROWS rows (default ten million): that one in the rejects, the others published
	QUERN_ROWS=$(or $(ROWS),10000000) $(GO) test ./e2e -run OneBadRow -count=1 -v -timeout 0

skew: ## Joins and windows with a key that four rows in ten have: what the slowest task takes, also when the leader dies meanwhile
	QUERN_SKEW=1 $(GO) test ./e2e -run Skew -count=1 -v

airflow: build ## Test the Airflow provider with Airflow itself on three coordinators and two workers (needs Python)
	integrations/airflow/test.sh

docs: ## Run every command of README.md and of docs (of the quickstart those before Airflow)
	WITHOUT_AIRFLOW=1 e2e/quickstart.sh
	QUERN_DOCS=1 $(GO) test ./cmd/quern -run 'TestPages|TestUDFTutorial' -count=1 -v

quickstart: ## Run the commands of docs/quickstart.md as a newcomer would, counting and timing them
	e2e/quickstart.sh

captures: build ## Draw docs/captures anew: what the command line shows on a terminal (needs tmux)
	e2e/captures.sh bin/quern docs/captures

OBJECTS ?=
stores: ## Run the store tests and whole jobs on servers that speak S3, Google Cloud Storage and Azure Blob Storage; list OBJECTS objects (needs npm)
	OBJECTS=$(OBJECTS) e2e/stores.sh bench/data/stores

SEEDS ?=
simulate: ## Simulate SEEDS clusters (default a million, from SEED or 1) with random faults: promises kept at each step, every run ends
	$(GO) test ./coordinator/sim -run Seeds$$ -count=1 -v -timeout 0 -args -seeds $(or $(SEEDS),1000000) $(if $(SEED),-seed $(SEED))

verify: ## Compare the main job's output with DuckDB's answer to the same SQL (needs a C compiler)
	cd bench && CGO_ENABLED=1 $(GO) test -count=1 -v ./verify/...

python: build ## Check and test plugins in Python, in an environment that this makes (needs Python)
	udf/python/run

interop: build ## Read what Quern writes with pyarrow, Polars, DuckDB, Spark and PyTorch, and compare steps with theirs on SEEDS random logs (4), from SEED on (needs Python)
	SEEDS=$(SEEDS) SEED=$(SEED) interop/run

bench: build ## Time queries side by side with DuckDB on the full flights file (needs a C compiler, and DATA)
	cd bench && CGO_ENABLED=1 $(GO) run ./compare -data $(abspath $(DATA))/flights-3m.parquet -quern $(abspath $(BIN))/quern

SF   ?= 1
RUNS ?= 5
TPCH := bench/data/sf$(SF)
bench-tpch: $(TPCH) ## Time the 22 queries of TPC-H at scale SF (default 1), then single operators, side by side with DuckDB
	cd bench && CGO_ENABLED=1 $(GO) run ./compare -suite tpch -data data/sf$(SF) -runs $(RUNS)
	cd bench && CGO_ENABLED=1 $(GO) run ./compare -suite micro -data data/sf$(SF) -runs $(RUNS)

$(TPCH): # the tables of TPC-H, made by tpchgen-cli (needs Python)
	python3 -m venv bench/data/venv
	bench/data/venv/bin/pip install --quiet tpchgen-cli==4.0.0
	bench/data/venv/bin/tpchgen-cli parquet -s $(SF) -o $@

MEMORY  ?= 1GiB
PERCENT ?= 100
bench-cluster: ## Coordinators with durable logs under simulated workers: tasks a second, latency, memory, failover (at 10,000 workers and 1,000,000 tasks)
	cd bench && $(GO) run ./cluster

EVENTS := bench/data/events
bench-training: build $(EVENTS) ## As-of join, windows, dedupe, and sample, split and shuffle beside DuckDB, Polars and Spark, from 20 M impressions (needs Python and Java)
	python3 -m venv bench/data/venv
	bench/data/venv/bin/pip install --quiet -r bench/training/requirements.txt
	bench/data/venv/bin/python bench/training/compare.py --quern $(BIN)/quern --data $(EVENTS) --runs $(RUNS)

$(EVENTS): | build
	$(BIN)/quern datagen events --out $@ --days 5 --impressions 4M --users 1M --items 200k --late 0 --files 4

ROWS ?= 50000000
bench-udf: build ## A trivial function on ROWS rows: built in, plugins in Go and Python, DuckDB's and PySpark's Arrow functions (needs Python and Java)
	python3 -m venv bench/data/venv-udf
	bench/data/venv-udf/bin/pip install --quiet -r bench/udf/requirements.txt ./udf/python
	bench/data/venv-udf/bin/python bench/udf/compare.py --quern $(BIN)/quern --data bench/data/udf/v-$(ROWS).parquet --rows $(ROWS) --runs $(RUNS)

bench-memory: build ## Group, sort, join and window inputs much larger than MEMORY (default 1GiB): time, RSS, scratch (30 GB of disk at PERCENT=100)
	cd bench && $(GO) run ./memory -quern $(abspath $(BIN))/quern -data data -memory $(MEMORY) -percent $(PERCENT)

FUZZTIME ?= 30s
fuzz: ## Run each fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

cover: ## Write a coverage report to cover.html
	$(GO) test -coverprofile=cover.out -coverpkg=./... ./...
	$(GO) tool cover -html=cover.out -o cover.html

generate: ## Make the plugin protocol's Go code again (needs buf, protoc-gen-go and protoc-gen-go-grpc)
	$(GO) generate ./udf/udfpb

tidy-tree: ## Fail if the working tree differs from the last commit
	@test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }

clean: ## Remove build output, reports and job output
	rm -rf $(BIN) out cover.out cover.html
