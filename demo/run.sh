#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo: two services nobody prepared, looked into while they work.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-build}
build=$BUILD bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' plain=$'\e[0m'
fi

tools/deps.sh demo
tools/build.sh "$build" heapsift orderbook traders

demo/orderbook.sh
demo/shop.sh

printf '\n%s== Try next%s\n\n' "$bold" "$plain"
cat <<TEXT
  $build/heapsift \$\$                your own shell: \$\$ is its PID
  $build/heapsift why PID ADDR      who keeps an object or block alive
  $build/heapsift check PID         what can be read, and how we know
  $build/heapsift dump PID -o FILE  keep it; every command reads FILE, too
  $build/heapsift CORE              who died, of what, and what it held
  $build/heapsift top PID --json    for programs; --csv for spreadsheets
  $build/heapsift help              all commands
TEXT
