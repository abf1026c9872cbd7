#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh: everything that must hold before a change lands. One line per step, the ten
# slowest tests, what could not run here, and `N passed, N failed, N not run` at the end.
# A failing step does not stop the later ones, but for a build that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
limit=${CHECK_LIMIT:-1080} # seconds, of all steps together
began=$SECONDS
logs=build/check
mkdir -p "$logs"
rm -f "$logs"/*
export TIMEFORMAT=%1R LC_ALL=C.UTF-8
passed=0
failed=0

# step NAME COMMAND...: its output goes to a log, shown when it fails.
step() {
	local name=$1 log=$logs/$1.log took code=0
	shift
	took=$({ time "$@" >"$log" 2>&1 </dev/null; } 2>&1) || code=$?
	if [ "$code" -eq 0 ]; then
		passed=$((passed + 1))
		printf '  ok    %-14s %6s s\n' "$name" "$took"
		return 0
	fi
	failed=$((failed + 1))
	printf '  FAIL  %-14s %6s s\n' "$name" "$took"
	# A compiler's errors, without the paths its analyzer took; else the end of the log.
	if [ "$name" != tests ] && grep -qE '(error|warning): ' "$log"; then
		grep -E '(error|warning): ' "$log" | sort -u | head -30
	else
		tail -40 "$log"
	fi | sed "s|$PWD/||; s/^/        /"
	echo "        (all of it: $log)"
	return 1
}

# The files of the tree, by a pattern on their paths.
sources() {
	find . -type d \( -name .git -o -name 'build*' -o -name '__pycache__' \) -prune \
		-o -type f -printf '%P\n' | grep -E "$1" | sort
}

format() { sources '\.(c|h|cc)$' | xargs -r clang-format --dry-run -Werror; }

# gcc's own paths through each function. Its leak warnings do not know our arenas and
# cleanup attributes; ASan finds the real ones.
analyzer() {
	sources '^src/.*\.c$' | xargs -r -P "$(nproc)" -I{} gcc -fanalyzer -Werror \
		-Wno-analyzer-malloc-leak -O2 -std=gnu11 -D_GNU_SOURCE -DHEAPSIFT_VERSION='""' \
		-Isrc -S -o /dev/null {}
}

shell() {
	sources '^(tools|demo|examples|test|bench|\.ci)/' | xargs -r grep -lE '^#!.*\b(ba|da)?sh$' |
		xargs -r shellcheck -x
}

spelling() {
	sources '\.(c|h|cc|py|sh|md|scd|txt)$|^Makefile$' |
		xargs -r codespell --ignore-words tools/codespell-ignore --skip "*/narrow-*"
}

man_pages() {
	local page
	for page in build/manuals/man/*.1; do
		[ -e "$page" ] || continue
		mandoc -T lint -W warning "$page" || return 1
	done
}

tests() {
	local left=$((limit - (SECONDS - began)))
	[ "$left" -gt 0 ] || left=1
	timeout "$left" ctest --test-dir build -j "$(nproc)" --output-on-failure \
		--no-tests=error --output-junit "$PWD/$logs/ctest.xml" \
		--test-output-size-passed 1000000 --test-output-size-failed 1000000
}

totals() {
	local took=$((SECONDS - began)) p=0 f=0 n=0
	[ ! -e "$logs/counts" ] || read -r p f n <"$logs/counts"
	if [ "$took" -gt "$limit" ]; then
		echo "FAIL: the check took $took s, its limit is $limit s"
		failed=$((failed + 1))
	fi
	printf '\n%d passed, %d failed, %d not run (%d s)\n' $((passed + p)) $((failed + f)) \
		"$n" "$took"
	[ $((failed + f)) -eq 0 ]
}

step deps tools/deps.sh check || { totals; exit 1; }
step build-gcc env CMAKE_ARGS=-DTESTS=ON tools/build.sh build || { totals; exit 1; }
step build-clang env CC=clang CMAKE_ARGS="-DTESTS=ON -DTIDY=ON" tools/build.sh build-clang -k 0 all bench || true
step format format || true
step analyzer analyzer || true
step layers tools/layers.sh || true
step fnlen tools/fnlen.sh || true
step shellcheck shell || true
step codespell spelling || true
step man-pages man_pages || true

rm -f build/pytest/*.xml
steps="$passed $failed"
step tests tests || true
read -r passed failed <<<"$steps" # the report counts the tests one by one
/usr/bin/python3 tools/report.py build README.md || failed=$((failed + 1))
totals
