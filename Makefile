# The commands of this project. `make run` and `make test` need nothing but Debian 12 and Swift 6.3: what is missing is
# installed by scripts/setup.

SWIFT_TEST_FLAGS ?=

.PHONY: help run build test test-swift test-js check-deploy lint format bench-idle bench-dm bench-micro chaos bench million bench-peers clean

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

run: ## Build a release and start a development node: page, API key and a curl line are printed
	@scripts/setup run
	@echo "building (the first time takes some minutes)"
	@swift build -c release --product apus
	@exec .build/release/apus serve --dev

build: ## Build all releases: .build/release/apus, apus-loadtest and apus-echo
	@scripts/setup run
	swift build -c release

test: ## Run every test, against real servers on random ports
	@scripts/setup test
	@scripts/check-deploy
	swift build --build-tests
	@$(MAKE) --no-print-directory test-js
	@$(MAKE) --no-print-directory test-swift

test-js: ## The JavaScript client, and the demo page in a real Chromium (needs a debug build)
	node --test clients/js/test/ clients/demo/test/
	APUS_BINARY=.build/debug/apus node --test clients/demo/browser/

# Nine runs: tests that start many servers at the same time would keep each other from their deadlines, and what is measured
# is measured apart. These promise times.
TIMED := (Drain|Outage|Watch|TwoNode|Lifetime|Process|Hello)
test-swift: ## The Swift tests alone; SWIFT_TEST_FLAGS="--filter Name" runs some
ifeq ($(SWIFT_TEST_FLAGS),)
	@scripts/test-swift --filter '^(Integration|Conformance)\.'
	@scripts/test-swift --filter '^RedisStoreTests\.' --skip '(Sentinel|Strict)'
	@scripts/test-swift --filter '^RedisStoreTests\..*(Sentinel|Strict)'
	@scripts/test-swift --filter '^NATSBusTests\.'
	@scripts/test-swift --filter '^Chaos\.'
	@scripts/test-swift --filter '^GatewayTests\.$(TIMED)'
	@scripts/test-swift --filter '^(GatewayTests|PresenceTests)\.' --skip '^GatewayTests\.$(TIMED)'
	@scripts/test-swift --filter '^AllocationTests\.'
	@scripts/test-swift --skip '^(Integration|Conformance|RedisStoreTests|NATSBusTests|Chaos|GatewayTests|PresenceTests|AllocationTests)\.'
else
	@scripts/test-swift $(SWIFT_TEST_FLAGS)
endif

check-deploy: ## Check what is in deploy/: proxies, units, alerts, manifests
	@scripts/setup test
	@scripts/check-deploy

chaos: ## The whole table of faults, some 30 minutes; writes docs/reliability.md (APUS_CHAOS_SEED repeats a run)
	@scripts/setup test
	@swift build --build-tests
	@scripts/chaos

lint: ## Check the form of the Swift files
	swift format lint --strict --recursive Sources Tests loadtest benchmarks Package.swift

format: ## Bring the Swift files into form
	swift format --in-place --recursive Sources Tests loadtest benchmarks Package.swift

bench: ## All figures of docs/performance.md and its tables: capacities, latency, Apus beside other servers, hot paths
	@scripts/setup test
	@scripts/setup peers
	@swift build -c release
	@.build/release/apus-loadtest bench --document docs/performance.md --reports .build/bench
	@.build/release/apus-loadtest peers --document docs/performance.md
	@.build/release/apus-microbench

million: ## A million sessions on this machine, each notified and verified (10 to 16 minutes, 20 GB)
	@scripts/setup test
	@swift build -c release
	@.build/release/apus-loadtest million --document docs/performance.md --json .build/million.json \
		--html .build/million.html

bench-idle: ## Memory per idle session, over 10,000 sessions that are registered in Redis
	@scripts/setup test
	@swift build -c release
	@.build/release/apus-loadtest idle --fleet --sessions 10000

bench-dm: ## Direct messages at 300/s: latency, embedded and with two nodes on Redis and NATS
	@scripts/setup test
	@swift build -c release
	@.build/release/apus-loadtest dm --rate 300
	@.build/release/apus-loadtest dm --fleet --nodes 2 --rate 300

bench-peers: ## Apus beside nats-server, Nchan, uWebSockets and plain SwiftNIO, one core each
	@scripts/setup test
	@scripts/setup peers
	@swift build -c release
	@.build/release/apus-loadtest peers --document docs/performance.md

bench-micro: ## The hot paths one by one: nanoseconds and allocations per operation
	@scripts/setup run
	@swift build -c release --product apus-microbench
	@.build/release/apus-microbench

clean: ## Remove what was built
	rm -rf .build
