#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh DIR [TARGET...]: configure DIR once, then build what changed; silent when
# nothing did. CMAKE_ARGS go to the configuration, which is redone when they are others.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$1
shift

if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null || ! command -v cc >/dev/null
then
	echo "build: cmake, ninja or a C compiler is missing; \`make deps\` installs them" >&2
	exit 1
fi

args=${CMAKE_ARGS:-}
last=$(cat "$dir/.args" 2>/dev/null || true)
if [ ! -f "$dir/build.ninja" ] || [ "${args:-$last}" != "$last" ]; then
	echo "configuring and building in $dir/"
	mkdir -p "$dir"
	log=$dir/configure.log
	# shellcheck disable=SC2086 # the arguments are words
	if ! cmake -G Ninja -S . -B "$dir" $args >"$log" 2>&1; then
		grep -v '^--' "$log" >&2 || true
		echo "build: cmake failed; \`make deps\` installs what is needed, see $log" >&2
		exit 1
	fi
	echo "$args" >"$dir/.args"
fi
ninja -C "$dir" --quiet -j "${JOBS:-$(nproc)}" "$@" 2>&1 | sed '/^ninja: no work to do/d; /^-- /d'
