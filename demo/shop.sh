#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's Python part: starts a Django service under real requests, looks into it alive
# and names what it leaks. Every number in a remark is read off the answer above it, or is
# what the service counted itself.
set -euo pipefail
cd "$(dirname "$0")/.."
. demo/tell.sh

python=/usr/bin/python3
export SHOP_DATABASE=$dir/shop.sqlite PYTHONDONTWRITEBYTECODE=1

# A port that is free now.
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
is_up() { "$python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; }
# What the service knows of itself: counted "requests".
counted() {
	"$python" -c "
import json, sys, urllib.request
print(json.load(urllib.request.urlopen('http://127.0.0.1:$port/count/'))[sys.argv[1]])" "$1"
}
# The address in the first line of the last answer that matches.
address() { awk -v row="$1" '$0 ~ row && match($0, /0x[0-9a-f]+/) { print substr($0, RSTART, RLENGTH); exit }' "$dir/answer"; }

title "A Django service, started without preparation"
"$python" demo/shop/fill.py
"$python" demo/shop/manage.py runserver --noreload "127.0.0.1:$port" >"$dir/log" 2>&1 &
service=$!
wait_until is_up
coproc CLIENTS { exec "$python" demo/shop/visit.py "$port"; }
# shellcheck disable=SC2153 # coproc sets it
clients=$CLIENTS_PID
ask
sleep 3
ask
usual=$slowest
paragraph "demo/shop/, PID $service: a shop, as Django projects look. In the last three" \
	"seconds a visitor sent it $requests requests; the slowest took $(in_ms "$slowest")." \
	"Its workers are restarted every night, because they grow."

title "What is going on?"
look "$service"

title "The largest objects"
look objects "$service" -n 6
pages=$(address ' dict ')
[ -n "$pages" ] || die "objects does not show the cache"

title "Who holds the largest?"
look why "$service" "$pages"
grep -q 'module catalog.cache, name PAGES' "$dir/answer" || die "why does not name the cache"
remark "The dict PAGES of the module catalog.cache holds a page for each address that" \
	"was ever asked for, and each visitor's has a tracking id in it: a cache that only" \
	"grows. (The service, asked a moment later, counts $(counted pages) pages itself.)"

title "And these requests?"
look objects "$service" --type WSGIRequest -n 3
kept=$(address '')
[ -n "$kept" ] || die "objects does not show the requests"
look why "$service" "$kept"
grep -q 'module catalog.audit, name recorder' "$dir/answer" || die "why does not name the recorder"
remark "A receiver of the signal order_placed keeps the requests it is called with:" \
	"$(counted requests) of them by now, though one is being answered."

title "Kept for later"
look core "$service" -o shop.core

title "And the service?"
paragraph "It stood still for $(stood). Meanwhile and in between it" \
	"answered $answered requests, the slowest in $(in_ms "$worst")" \
	"(before anybody looked: $(in_ms "$usual"))."

title "The process is gone, its core is not"
kill "$clients" && clients=''
kill -KILL "$service"
wait "$service" 2>/dev/null || true
service=''
look_back why shop.core "$pages"
grep -q 'module catalog.cache, name PAGES' "$dir/answer" || die "the core does not tell of the cache"
held=$(sed -nE 's/.*retains ([0-9.]+ [KMG]iB).*/\1/p' "$dir/answer" | head -n 1)
[ -n "$held" ] || die "the core does not tell what the cache retains"
remark "The core answers as the process did: PAGES retains $held. So would a core of" \
	"a crash, one of gdb or one that was sent, packed or not."
