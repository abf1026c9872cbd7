# SPDX-License-Identifier: Apache-2.0
# A thin face on CMake and the scripts in tools/: each target is one line of work.
BUILD ?= build
PREFIX ?= /usr/local
export BUILD PREFIX DESTDIR

.PHONY: all deps demo check asan fuzz bench matrix apps install clean
all:
	@tools/build.sh $(BUILD)

deps: ## installs with apt what is missing for every target below
	@tools/deps.sh all

demo: ## builds, then shows heapsift looking into a live services, in C++ and in Python
	@demo/run.sh

check: ## all that must hold before a change lands: what .ci/run calls
	@tools/check.sh

asan: ## the tests again, under AddressSanitizer and UBSan
	@tools/asan.sh

fuzz: ## each harness of test/fuzz for FUZZ_SECONDS (60)
	@tools/fuzz.sh

bench: ## speed and memory, beside other tools
	@tools/deps.sh bench
	@tools/build.sh $(BUILD) heapsift bench
	@bench/run.sh

matrix: ## the tests of heaps in other glibcs, of Python's graph in other Pythons
	@tools/deps.sh matrix
	@CMAKE_ARGS=-DTESTS=ON tools/build.sh $(BUILD)
	@test/matrix/run.sh

apps: ## on real programs at work: PostgreSQL, redis, nginx, Ruby
	@tools/deps.sh apps
	@tools/build.sh $(BUILD)
	@test/apps/run.sh

install: ## builds first; honours PREFIX and DESTDIR
	@tools/build.sh $(BUILD) heapsift manuals
	@cmake --install $(BUILD) --prefix "$(abspath $(PREFIX))"

clean:
	rm -rf build build-clang build-asan build-fuzz
