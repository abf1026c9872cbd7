#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fnlen.sh [ROOT]: how long the functions of src/ are: median, 90th percentile, longest,
# signature included. None is over 60 lines, and neither figure rises above what
# tools/fnlen.stored holds. `fnlen.sh --store` writes the present figures there.
#
# clang-format puts a function's braces, and no others, alone in the first column, so no
# parser is needed: a function runs from the first line after a blank, a comment, a
# directive or a closing brace to the `}` in the first column.
set -euo pipefail
store=false
[ "${1:-}" != --store ] || { store=true; shift; }
cd "${1:-$(dirname "$0")/..}"

lengths=$(find src -name '*.c' -print0 | sort -z | xargs -0 -r awk '
	FNR == 1 { start = 0 }
	/^$/ || /^[ \t]*\/?\*/ || /^#/ || /^}/ && !open { start = 0 }
	/^[A-Za-z_]/ && !start { start = FNR }
	/^{$/ { open = start ? start : FNR }
	/^}$/ && open { printf "%d %s:%d\n", FNR - open + 1, FILENAME, open; open = start = 0 }
' | sort -n)
[ -n "$lengths" ] || { echo "fnlen: found no function in src/"; exit 1; }

count=$(wc -l <<<"$lengths")
at() { sed -n "$(((count * $1 + 99) / 100))p" <<<"$lengths" | cut -d' ' -f1; }
median=$(at 50) p90=$(at 90) longest=$(at 100)
echo "functions $count, median $median, p90 $p90, longest $longest"
if $store; then
	echo "$median $p90 $longest" >tools/fnlen.stored
	exit 0
fi

read -r max_median max_p90 max_longest <tools/fnlen.stored
bad=false
awk '$1 > 60 { print "fnlen: " $2 " has " $1 " lines; the ceiling is 60" }' <<<"$lengths"
[ "$longest" -le 60 ] || bad=true
rise() {
	[ "$2" -gt "$3" ] || return 0
	echo "fnlen: the $1 rose from $3 to $2; the longest functions:"
	tail -5 <<<"$lengths"
	bad=true
}
rise median "$median" "$max_median"
rise p90 "$p90" "$max_p90"
rise longest "$longest" "$max_longest"
! $bad
