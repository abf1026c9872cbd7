#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of CPython's graph (test/e2e/test_python_*.py, but for the one that times) with
# another interpreter than `make check` has, of this machine or inside a root. The figures they
# found, and what failed.
#
#   test/matrix/python.sh NAME PYTHON [ROOT]     PYTHON is a path, inside ROOT if there is one
set -euo pipefail

name=$1 python=$2 root=${3:-}
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export PYTHONDONTWRITEBYTECODE=1
HEAPSIFT=$(realpath "$top/${BUILD:-build}/heapsift")
export HEAPSIFT TEST_PYTHON=$python
tests=(/usr/bin/python3 -m pytest -q -p no:cacheprovider -o junit_family=xunit1
	--tb=short --rootdir="$top/test" --deselect=e2e/test_python_load.py
	--basetemp="$work/tmp" --junitxml="$work/junit.xml"
	"$top"/test/e2e/test_python_*.py)

if [ -n "$root" ]; then
	# A program that enters the root and becomes its python, with the same process id; and
	# what that runs or writes is below the same names inside.
	TEST_PYTHON=$work/$name
	printf '#!/bin/sh\nexec chroot "%s" %s "$@"\n' "$root" "$python" >"$TEST_PYTHON"
	chmod +x "$TEST_PYTHON"
	mkdir -p "$root$top" "$root$work"
	# shellcheck disable=SC2016 # the inner shell's own variables
	tests=(unshare --mount sh -ec 'root=$1 top=$2 work=$3; shift 3
		for dir in /proc /sys /dev "$top" "$work"; do mount --rbind "$dir" "$root$dir"; done
		exec "$@"' sh "$root" "$top" "$work" "${tests[@]}")
fi

code=0
timeout -k 5 1200 "${tests[@]}" >"$work/log" 2>&1 </dev/null || code=$?
echo "$name: $("$TEST_PYTHON" -V)"
/usr/bin/python3 "$top/test/matrix/figures.py" "$work/junit.xml" || code=1
[ "$code" -eq 0 ] || tail -60 "$work/log"
[ -z "$root" ] || rmdir "$root$work"
exit "$code"
