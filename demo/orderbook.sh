#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's C++ part: starts the order book and its traders, looks into it alive, and says
# what each answer shows. Every number in a remark is read off the answer above it, or is
# what the order book and its traders counted themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
. demo/tell.sh

counted() { awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == name) print $(i + 1) }' <<<"$truth"; }

title "A C++ service, started without preparation"
"$build/demo/orderbook" "$dir/socket" >"$dir/ready" &
service=$!
wait_until test -s "$dir/ready"
coproc CLIENTS { exec "$build/demo/traders" "$dir/socket"; }
# shellcheck disable=SC2153 # coproc sets it
clients=$CLIENTS_PID
ask
sleep 1
ask
usual=$slowest
threads=$(find "/proc/$service/task" -mindepth 1 -maxdepth 1 | wc -l)
paragraph "demo/orderbook.cc, PID $service: an exchange, 200 order books in maps, hash" \
	"tables, lists and strings, $threads threads. In the last second two traders sent" \
	"it $requests requests; the slowest took $(in_ms "$slowest"). It uses more memory" \
	"every day, and nobody knows why."

title "Where is the memory?"
look summary "$service" -n 6
remark "malloc has $(cell '^malloc +used' RESIDENT) in use. Another" \
	"$(cell '^malloc +free in bins' RESIDENT) are free, in" \
	"$(cell '^malloc +free in bins' COUNT) pieces that it cannot give back because" \
	"something lives on between any two: fragmentation."

title "What is it?"
look top "$service" -n 8
leaked=$(cell 'market::Subscriber ' COUNT)
[ -n "$leaked" ] || die "top does not show the subscribers"
remark "$leaked objects of the class market::Subscriber, though two traders are" \
	"connected: a leak. (The service, asked a moment later, counts" \
	"$(counted Subscriber) itself.) Each has one of the $(cell ' 2056 bytes ' COUNT)" \
	"blocks of 2056 bytes, $(cell ' 2056 bytes ' SIZE) that nobody will read again. The" \
	"names come from the vtables that every such object points to."

title "Block by block"
look blocks "$service" -n 6
first=$(awk '/^ *0x/ { print $1; exit }' "$dir/answer")
[ "$first" = "$(counted list)" ] || die "the largest block is not the feed's list"
remark "The largest block, $(cell "$first" SIZE) at $first, is the list that keeps the" \
	"subscribers alive: the service gives that very address for it."

title "And the service?"
paragraph "It stood still for $(stood). Meanwhile and in between it" \
	"answered $answered requests, the slowest in $(in_ms "$worst")" \
	"(before anybody looked: $(in_ms "$usual"))."
