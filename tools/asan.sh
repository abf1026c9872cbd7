#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# asan.sh: unit tests, corpora and end-to-end tests against a program built with ASan (leaks
# included) and UBSan. Tests labelled not-asan stay out: they time, or kill, the program.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/deps.sh check
CMAKE_ARGS="-DTESTS=ON -DSANITIZE=ON" tools/build.sh build-asan
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir build-asan -j "$(nproc)" -LE 'not-asan|tools' --no-tests=error \
	--output-on-failure
