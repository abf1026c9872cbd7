#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# manuals.sh HEAPSIFT DIR: man pages and completions into DIR, from the program's own rows.
set -euo pipefail
heapsift=$1 dir=$2
mkdir -p "$dir/man" "$dir/completion"
rm -f "$dir"/man/*.1

"$heapsift" help --manual >"$dir/man/heapsift.1"
while IFS=$'\t' read -r command _; do
	"$heapsift" help --manual "$command" >"$dir/man/heapsift-$command.1"
done < <("$heapsift" complete -- '' '')
"$heapsift" completion bash >"$dir/completion/heapsift"
"$heapsift" completion zsh >"$dir/completion/_heapsift"
"$heapsift" completion fish >"$dir/completion/heapsift.fish"
