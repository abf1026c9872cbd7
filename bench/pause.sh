#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pause.sh [GIB...]: how long a target stands, per GiB of it, beside gcore on the same
# process when that is installed. Sizes 1 and 4 GiB, 1 and 64 threads, 4 KiB and huge pages.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
tools/build.sh "$build" bench_pause bench_target
sizes=${*:-1 4}
scratch=$(mktemp -d "${BENCH_TMP:-/var/tmp}/pause.XXXXXX")
target=
cleanup() {
	[ -z "$target" ] || kill -9 "$target" 2>/dev/null || true
	rm -rf "$scratch"
}
trap cleanup EXIT

value() { sed -n "s/^$1 //p" "$2"; }
per_gib() { awk -v ms="$1" -v gib="$2" 'BEGIN { printf "%.1f", ms / gib }'; }
ratio() { awk -v peer="$1" -v ours="$2" 'BEGIN { printf "%.0f x", peer / ours }'; }

# gcore's stop in ms, or nothing when it is not installed or cannot be had.
gcore_pause() {
	command -v gcore >/dev/null || return 0
	"$build/bench/bench_pause" watch "$1" gcore -o "$scratch/core" "$1" \
		>"$scratch/gcore" 2>/dev/null && value pause_ms "$scratch/gcore"
	rm -f "$scratch"/core.*
}

printf '%5s %8s %6s  %14s %10s  %15s %10s  %12s %8s\n' GiB threads pages 'fork pause ms' \
	per\ GiB 'freeze pause ms' per\ GiB 'gcore ms' 'ratio'
for size in $sizes; do
	for threads in 1 64; do
		for pages in 4k thp; do
			words=(bytes "$size" threads "$threads")
			[ "$pages" = 4k ] || words+=(thp)
			rm -f "$scratch/ready"
			"$build/bench/bench_target" "${words[@]}" >"$scratch/ready" &
			target=$!
			until grep -q ready "$scratch/ready" 2>/dev/null; do sleep 0.1; done
			"$build/bench/bench_pause" fork "$target" 5 >"$scratch/fork"
			"$build/bench/bench_pause" freeze "$target" 3 >"$scratch/freeze"
			fork=$(value pause_ms "$scratch/fork")
			freeze=$(value pause_ms "$scratch/freeze")
			gcore=$(gcore_pause "$target" || true)
			printf '%5s %8s %6s  %14s %10s  %15s %10s  %12s %8s\n' "$size" "$threads" \
				"$pages" "$fork" "$(per_gib "$fork" "$size")" "$freeze" \
				"$(per_gib "$freeze" "$size")" "${gcore:--}" \
				"${gcore:+$(ratio "$gcore" "$fork")}"
			kill -9 "$target"
			wait "$target" 2>/dev/null || true
			target=
		done
	done
done
