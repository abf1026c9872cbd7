#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo: starts the order book and its traders, looks into it alive, and says what each
# answer shows. Every number in a remark is read off the answer above it, or is what the
# order book and its traders counted themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}

tools/deps.sh demo
tools/build.sh "$build" heapsift orderbook traders

dir=$(mktemp -d)
server='' traders=''
cleanup() {
	trap - EXIT INT TERM
	[ -z "$traders" ] || kill "$traders" 2>/dev/null || true
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' plain=$'\e[0m'
fi

title() { printf '\n%s== %s%s\n\n' "$bold" "$*" "$plain"; }
die() { echo "demo: $*" >&2; exit 1; }

paragraph() { fold -s -w 77 <<<"$*" | sed 's/ *$//'; }
# A paragraph on the answer above it.
remark() {
	printf '\n'
	paragraph "$@" | sed '1s/^/-> /; 2,$s/^/   /'
}

# What the traders saw since the last call: $requests, $slowest (microseconds); and the
# order book's own count of its objects in $truth.
ask_traders() {
	echo >&"${TRADERS[1]}"
	read -r -t 10 requests slowest truth <&"${TRADERS[0]}" ||
		die "the traders do not answer"
}
counted() { awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == name) print $(i + 1) }' <<<"$truth"; }
in_ms() { awk -v us="$1" 'BEGIN { printf "%.1f ms", us / 1000 }'; }

# Runs heapsift while the service works and shows what it says; it stays in $dir/answer.
answered=0 worst=0 pauses=()
look() {
	printf '%s$ heapsift %s%s\n' "$bold" "$*" "$plain"
	COLUMNS=80 "$build/heapsift" "$@" >"$dir/answer" || die "heapsift $1 failed"
	cat "$dir/answer"
	pauses+=("$(sed -nE 's/.*paused ([0-9.]+ [a-z]+).*/\1/p' "$dir/answer")")
	ask_traders
	answered=$((answered + requests))
	[ "$slowest" -le "$worst" ] || worst=$slowest
}

# cell ROW COLUMN: what the last answer has under COLUMN in the first line that matches
# ROW. Numbers end where their heading ends; a size has its unit after a space.
cell() {
	sed 's/…/./g' "$dir/answer" | awk -v row="$1" -v column="$2" '
		!end && (at = index($0, column)) { end = at + length(column) - 1; next }
		end && $0 ~ row {
			$0 = substr($0, 1, end)
			print ($NF ~ /^([KMGT]iB|B)$/ ? $(NF - 1) " " : "") $NF
			exit
		}'
}

title "A C++ service, started without preparation"
"$build/demo/orderbook" "$dir/socket" >"$dir/ready" &
server=$!
for ((i = 0; i < 200; i++)); do
	[ ! -s "$dir/ready" ] || break
	kill -0 "$server" 2>/dev/null || die "the order book ended"
	sleep 0.1
done
[ -s "$dir/ready" ] || die "the order book did not get ready in 20 s"
coproc TRADERS { exec "$build/demo/traders" "$dir/socket"; }
# shellcheck disable=SC2153 # coproc sets it
traders=$TRADERS_PID
ask_traders
sleep 1
ask_traders
usual=$slowest
threads=$(find "/proc/$server/task" -mindepth 1 -maxdepth 1 | wc -l)
paragraph "demo/orderbook.cc, PID $server: an exchange, 200 order books in maps, hash" \
	"tables, lists and strings, $threads threads. In the last second two traders sent" \
	"it $requests requests; the slowest took $(in_ms "$slowest"). It uses more memory" \
	"every day, and nobody knows why."

title "Where is the memory?"
look summary "$server" -n 6
remark "malloc has $(cell '^malloc +used' RESIDENT) in use. Another" \
	"$(cell '^malloc +free in bins' RESIDENT) are free, in" \
	"$(cell '^malloc +free in bins' COUNT) pieces that it cannot give back because" \
	"something lives on between any two: fragmentation."

title "What is it?"
look top "$server" -n 8
leaked=$(cell 'market::Subscriber ' COUNT)
[ -n "$leaked" ] || die "top does not show the subscribers"
remark "$leaked objects of the class market::Subscriber, though two traders are" \
	"connected: a leak. (The service, asked a moment later, counts" \
	"$(counted Subscriber) itself.) Each has one of the $(cell ' 2056 bytes ' COUNT)" \
	"blocks of 2056 bytes, $(cell ' 2056 bytes ' SIZE) that nobody will read again. The" \
	"names come from the vtables that every such object points to."

title "Block by block"
look blocks "$server" -n 6
first=$(awk '/^ *0x/ { print $1; exit }' "$dir/answer")
[ "$first" = "$(counted list)" ] || die "the largest block is not the feed's list"
remark "The largest block, $(cell "$first" SIZE) at $first, is the list that keeps the" \
	"subscribers alive: the service gives that very address for it."

title "And the service?"
paragraph "It stood still for ${pauses[0]}, ${pauses[1]} and ${pauses[2]}. Meanwhile and" \
	"in between it answered $answered requests, the slowest in $(in_ms "$worst")" \
	"(before anybody looked: $(in_ms "$usual"))."

title "Try next"
cat <<TEXT
  $build/heapsift summary \$\$        your own shell: \$\$ is its PID
  $build/heapsift check PID         what can be read, and how we know
  $build/heapsift dump PID -o FILE  keep it; summary, top and blocks read FILE
  $build/heapsift top PID --json    for programs; --csv for spreadsheets
  $build/heapsift help              all commands
TEXT
