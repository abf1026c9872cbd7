#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# layers.sh [ROOT]: the rules that keep the tree an hourglass, read off the includes and
# off the symbols of the built objects (ROOT/build). Prints every breach; quiet when none.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT
breach() { echo "layers: $*" | tee -a "$breaches"; }

declare -A level=([base]=0 [model]=1 [mem]=2 [snap]=2 [image]=3 [heap]=4 [lang]=5
	[collect]=6 [analysis]=7 [query]=7 [out]=7 [cmd]=8 [web]=9)
readers=' mem image heap lang collect '
max_lines=700

# The folder of src/ a file or an include belongs to; main.c is its own top layer.
folder_of() { if [[ $1 == */* ]]; then echo "${1%%/*}"; else echo main; fi; }

# FILE (below src/) includes HEADER ("folder/name.h").
check_include() {
	local file=$1 header=$2 from to name
	from=$(folder_of "$file") to=$(folder_of "$header") name=${header##*/}
	[ -e "src/$header" ] || { breach "src/$file includes '$header', which is not in src/"; return; }
	[ "$from" != "$to" ] || return 0
	case $from/$header in
	heap/tag/abi.h) return 0 ;;
	tag/*) breach "src/$file: tag/ includes nothing of src/, not '$header'"; return ;;
	esac
	[ -n "${level[$to]:-}" ] || { breach "src/$file includes '$header': '$to' is no layer"; return; }
	[[ $name != *_int.h ]] || breach "src/$file includes '$header', which is internal to $to/"
	[ "$from" != main ] || return 0
	[ "${level[$to]}" -lt "${level[$from]:--1}" ] ||
		breach "src/$file includes '$header': $to/ is not below $from/"
	[ "${level[$from]:-0}" -ne 7 ] || [[ $readers != *" $to "* ]] ||
		breach "src/$file includes '$header': $from/ reads no target"
}

includes() {
	local file header
	while IFS=: read -r file header; do
		check_include "${file#src/}" "$header"
	done < <(grep -roE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' src --include='*.[ch]' |
		sed -E 's/:[^"]*"([^"]+)"/:\1/')
}

headers() {
	local path folder name
	while read -r path; do
		folder=$(folder_of "${path#src/}") name=${path##*/}
		[ "$folder" = main ] || [ "$folder" = tag ] || [ -n "${level[$folder]:-}" ] ||
			breach "$path: '$folder' is no layer"
		case $folder in
		base | tag) ;; # a box of small tools; an ABI
		*)
			[[ $name != *.h || $name == *_int.h || $path == "src/$folder/$folder.h" ]] ||
				breach "$path: the door of $folder/ is $folder.h; other headers end in _int.h"
			;;
		esac
	done < <(find src -type f -name '*.[ch]')
	find src -type f -printf '%f\n' | sort | uniq -d | while read -r name; do
		breach "src/: more than one file is called '$name'"
	done
}

# Which folders may use a libc symbol at all.
allowances='
mem: ptrace process_vm_readv process_vm_writev syscall
main cmd web: stdout printf puts putchar vprintf __printf_chk
main cmd web: socket accept accept4 listen
main cmd web: execve execv execvp execlp execl system popen posix_spawn posix_spawnp'
named_symbols() { cut -d: -f2 <<<"$allowances" | tr ' ' '\n'; }
forbidden() { grep -E " $1( |\$)" <<<"$allowances" | cut -d: -f1; }

# The objects of files that (still) are in src/; not those of trees that tests made.
objects() {
	local object file
	while read -r object; do
		file=${object#*.dir/src/}
		[ ! -e "src/${file%.o}" ] || echo "$object"
	done < <(find build -path build/pytest -prune -o -path '*.dir/src/*.o' -print)
}

# nm and objdump, not grep: a macro or a comment cannot fool them. Lines are
# `FILE SYMBOL [SECTION]`, FILE below src/.
symbols() {
	local file symbol section allowed list
	mapfile -t list < <(objects)
	[ ${#list[@]} -gt 0 ] || { breach "no objects in build/: build first"; return; }
	while read -r file symbol; do
		allowed=$(forbidden "$symbol")
		[[ " $allowed " == *" $(folder_of "$file") "* ]] ||
			breach "src/$file uses '$symbol', which only $allowed may"
	done < <(nm -A -u "${list[@]}" | sed -E 's|^.*\.dir/src/(.*)\.o: *U ([^@]*).*|\1 \2|' |
		awk 'NR == FNR { named[$1]; next } $2 in named' <(named_symbols) -)
	while read -r file symbol section; do
		# What a signal handler is to find (its top says so).
		[ "$file $symbol" != "base/ending.c ending" ] || continue
		[ "$(folder_of "$file")" = tag ] ||
			breach "src/$file has the mutable global '$symbol' ($section)"
	done < <(objdump -t "${list[@]}" | awk '
		/file format/ { sub(/^.*\.dir\/src\//, ""); sub(/\.o:.*/, ""); file = $0 }
		/ O / && $4 ~ /^\.(data|bss|tdata|tbss)/ && $4 !~ /^\.data\.rel\.ro/ { print file, $NF, $4 }')
}

raw_doors() {
	local file
	while read -r file; do
		[ "$(folder_of "${file#src/}")" != mem ] || continue
		# Comments go, strings stay.
		! gcc -fpreprocessed -dD -E -P "$file" 2>/dev/null |
			grep -qE '"[^"]*/(mem|clear_refs)"' ||
			breach "$file opens a process's memory; only mem/ does"
	done < <(find src -name '*.c')
}

house_rules() {
	local file
	while read -r file; do
		head -3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
			breach "$file has no SPDX line"
		[ "$(wc -l <"$file")" -le $max_lines ] ||
			breach "$file has more than $max_lines lines"
	done < <(find src test demo tools bench gdb .ci Makefile CMakeLists.txt -type f \( \
		-name '*.[ch]' -o -name '*.cc' -o -name '*.py' -o -name '*.sh' -o -name CMakeLists.txt \
		-o -name Makefile -o -path .ci/run \) 2>/dev/null)
}

includes
headers
symbols
raw_doors
house_rules
[ ! -s "$breaches" ]
