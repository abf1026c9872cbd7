#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# manuals.sh HEAPSIFT DIR: man pages and completions into DIR, from the program's own rows.
set -euo pipefail
heapsift=$1 dir=$2
sources=$(dirname "$0")/../src/cmd
mkdir -p "$dir/man" "$dir/completion"

page() {
	"$heapsift" help --scdoc "${@:2}" | SOURCE_DATE_EPOCH=0 scdoc >"$dir/man/$1.1.new"
	mv "$dir/man/$1.1.new" "$dir/man/$1.1"
}
page heapsift
for source in "$sources"/cmd_*.c; do
	command=${source##*/cmd_}
	command=${command%.c}
	page "heapsift-$command" "$command"
done
"$heapsift" completion bash >"$dir/completion/heapsift"
"$heapsift" completion zsh >"$dir/completion/_heapsift"
"$heapsift" completion fish >"$dir/completion/heapsift.fish"
