# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the parts of the demo share: how they look and how they are cleaned up. Sourced.
build=${BUILD:-build}
heapsift=$(realpath "$build")/heapsift

dir=$(mktemp -d)
service='' clients=''
cleanup() {
	trap - EXIT INT TERM
	[ -z "$clients" ] || kill "$clients" 2>/dev/null || true
	[ -z "$service" ] || kill "$service" 2>/dev/null || true
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

title() {
	looks=0
	printf '\n%s== %s%s\n\n' "$bold" "$*" "$plain"
}
die() { echo "demo: $*" >&2; exit 1; }

paragraph() { fold -s -w 77 <<<"$*" | sed 's/ *$//'; }
# A paragraph on the answer above it.
remark() {
	printf '\n'
	paragraph "$@" | sed '1s/^/-> /; 2,$s/^/   /'
}

# ask: what the clients saw since the last call: $requests, $slowest (microseconds); and
# perhaps what the service counts itself, in $truth. They are the coprocess CLIENTS.
ask() {
	# shellcheck disable=SC2153 # the name of the coprocess
	echo >&"${CLIENTS[1]}"
	# shellcheck disable=SC2034 # of use to who sources this
	read -r -t 10 requests slowest truth <&"${CLIENTS[0]}" ||
		die "the clients do not answer"
}
in_ms() { awk -v us="$1" 'BEGIN { printf "%.1f ms", us / 1000 }'; }

# Waits up to 20 s until a command succeeds or the service is gone.
wait_until() {
	for ((i = 0; i < 200; i++)); do
		! "$@" || return 0
		kill -0 "$service" 2>/dev/null || die "the service ended"
		sleep 0.1
	done
	die "the service did not get ready in 20 s"
}

# Runs heapsift in $dir and shows what it says; it stays in $dir/answer.
looks=0
look_back() {
	[ "$looks" -eq 0 ] || printf '\n'
	looks=$((looks + 1))
	printf '%s$ heapsift %s%s\n' "$bold" "$*" "$plain"
	(cd "$dir" && COLUMNS=80 "$heapsift" "$@") >"$dir/answer" || die "heapsift $1 failed"
	cat "$dir/answer"
}

# The same while the service works.
answered=0 worst=0 pauses=()
look() {
	look_back "$@"
	pauses+=("$(sed -nE 's/.*paused ([0-9.]+ [a-z]+).*/\1/p' "$dir/answer")")
	ask
	answered=$((answered + requests))
	[ "$slowest" -le "$worst" ] || worst=$slowest
}

# "0.9 ms, 1.1 ms and 1.0 ms": how long the service stood, look by look.
stood() {
	local last=$((${#pauses[@]} - 1))
	printf -v list '%s, ' "${pauses[@]:0:last}"
	echo "${list%, } and ${pauses[last]}"
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
