#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [NAME...]: each harness of test/fuzz (or those named) for FUZZ_SECONDS, two at a
# time, starting from its corpus. New inputs stay in build-fuzz/corpus; one that crashes is
# left as build-fuzz/NAME-crash-*, to be kept in test/fuzz/corpus/NAME once mended. Without
# names, then damage at every byte of a small snapshot and a small core (test/damage).
set -euo pipefail
cd "$(dirname "$0")/.."
export FUZZ_SECONDS=${FUZZ_SECONDS:-60}
tools/deps.sh fuzz
CC=clang CMAKE_ARGS=-DFUZZ=ON tools/build.sh build-fuzz

damage=false
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	damage=true
	for source in test/fuzz/fuzz_*.c; do
		[ -e "$source" ] || { echo "fuzz: no harness in test/fuzz" >&2; exit 1; }
		name=${source##*/fuzz_}
		names+=("${name%.c}")
	done
fi

fuzz_one() {
	local name=$1 found=build-fuzz/corpus/$1 log=build-fuzz/$1.log
	mkdir -p "$found"
	if "build-fuzz/test/fuzz/fuzz_$name" -max_total_time="$FUZZ_SECONDS" -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build-fuzz/$name-" \
		"$found" "test/fuzz/corpus/$name" >"$log" 2>&1 </dev/null
	then
		printf '  ok    %-20s %s inputs tried\n' "$name" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
	else
		printf '  FAIL  %-20s\n' "$name"
		tail -30 "$log"
		return 1
	fi
}
export -f fuzz_one
printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I{} bash -c 'set -euo pipefail; fuzz_one {}'
if $damage; then
	printf 'snapshot\nsealed\nvalues\ncore\n' |
		xargs -P "$(nproc)" -I{} build-fuzz/test/damage/damage 1 {}
fi
