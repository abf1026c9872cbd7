#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The heap fixtures in other Debian releases, with their own glibc, looked into from here;
# and our layout tables against the debug information of each of these glibcs.
#
#   test/matrix/run.sh [ROOT...]     all roots of the table below without arguments, and
#                                    CPython's tests in each Python there is (ROOT `python`)
#
# Needs root, mmdebstrap, gdb, and the package mirror that apt is configured with; for the
# older glibcs of Ubuntu's releases UBUNTU_MIRROR, the address of a mirror of them. Roots
# are kept in ${XDG_CACHE_HOME:-~/.cache}/heapsift-roots, about 400 MB each. Code 1: something
# is wrong, or could not be tried.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/${BUILD:-build}
pyenv=${PYENV_ROOT:-$HOME/.pyenv}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heapsift-roots
packages=gcc,libc6-dev,libc6-dbg
work=$(mktemp -d)
target= # the program that runs in a root, while it does

# shellcheck disable=SC2317 # the trap below calls it
finish()
{
	if [ -n "$target" ]; then kill -9 "$target" 2>/dev/null || true; fi
	rm -rf "$work"
}
trap finish EXIT

# name, suite, and the suite that its libc is taken from
roots='
bullseye bullseye bullseye
trixie trixie trixie
sid sid sid
experimental sid experimental
'

# the same, of another distribution, for older libcs than Debian's mirror has
ubuntu_mirror=${UBUNTU_MIRROR:-}
ubuntu_roots='
xenial xenial xenial
bionic bionic bionic
'
ubuntu_keyring=pool/main/u/ubuntu-keyring/ubuntu-keyring_2018.02.28_all.deb
ubuntu_keyring_sha256=c0763889cec4196839354d99b71f3c369dfa51ff17f59cabea87d1c7d55fe5e0

# variant: environment, arguments of heap_truth; `static` links it so
variants='
plain
no-tcache GLIBC_TUNABLES=glibc.malloc.tcache_count=0
large-tcache GLIBC_TUNABLES=glibc.malloc.tcache_count=200
huge-tcache GLIBC_TUNABLES=glibc.malloc.tcache_max=4194304:glibc.malloc.tcache_count=100
one-arena MALLOC_ARENA_MAX=1
perturb MALLOC_PERTURB_=165
hugetlb-1 GLIBC_TUNABLES=glibc.malloc.hugetlb=1
hugetlb-2 GLIBC_TUNABLES=glibc.malloc.hugetlb=2
foreign-sbrk sbrk
blocked-brk block-brk
static static
sizes sizes
'

mirror()
{
	# shellcheck disable=SC2016 # apt's own variable
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
		'Label: Debian' | head -1
}

# The keys that Ubuntu's releases are signed with: Debian 12 has no package of them.
fetch_ubuntu_keys()
{
	local deb=$work/keyring.deb
	[ ! -e "$work/keys" ] || return 0
	curl -fsS -o "$deb" "$ubuntu_mirror/$ubuntu_keyring" &&
		echo "$ubuntu_keyring_sha256  $deb" | sha256sum --check --quiet &&
		dpkg-deb -x "$deb" "$work/keys"
}

bootstrap()
{
	local name=$1 suite=$2 libc=$3 dir=$cache/$1 uri options=(--variant=minbase)

	[ ! -e "$dir.ready" ] || return 0
	uri=$(mirror)
	if [[ $ubuntu_roots == *" $suite "* ]]; then
		fetch_ubuntu_keys || return 1
		uri=$ubuntu_mirror
		# its dpkg is too old for how packages are configured today; they run without
		options=(--variant=extract "--include=base-files,coreutils,dash,libc-bin"
			--keyring="$work/keys/usr/share/keyrings/ubuntu-archive-keyring.gpg")
	fi
	echo "bootstrapping $name ..." >&2
	rm -rf "$dir"
	mkdir -p "$cache"
	if [ "$suite" = sid ]; then
		# a mirror's index of sid may be weeks old
		options+=(--aptopt='Acquire::Check-Valid-Until "false"')
	fi
	if [ "$libc" != "$suite" ]; then
		# shellcheck disable=SC2016 # mmdebstrap gives the root as $1
		options+=(--customize-hook="echo 'deb $uri $libc main' >\"\$1/etc/apt/sources.list.d/$libc.list\""
			--customize-hook='chroot "$1" apt-get -q update'
			--customize-hook="chroot \"\$1\" apt-get -qy install -t $libc libc6-dev libc6-dbg")
	fi
	mmdebstrap --quiet --include=$packages "${options[@]}" \
		"$suite" "$dir" "$uri" >"$work/bootstrap" 2>&1 ||
		{ tail -5 "$work/bootstrap" >&2; return 1; }
	touch "$dir.ready"
}

compile()
{
	local dir=$1 flags='-O1 -g -pthread -D_GNU_SOURCE'

	mkdir -p "$dir/tmp/heapsift"
	cp "$top/test/fixture/heap_truth.c" "$dir/tmp/heapsift"
	chroot "$dir" sh -ec "cd /tmp/heapsift; gcc $flags -o heap_truth heap_truth.c
		gcc $flags -static -o heap_truth-static heap_truth.c"
}

# Starts a variant in a root; its process id, as seen from here, is in $target.
start()
{
	local dir=$1 program=heap_truth environment=() arguments=() word launcher
	shift
	for word; do
		case $word in
		*=*) environment+=("$word") ;;
		static) program=heap_truth-static ;;
		*) arguments+=("$word") ;;
		esac
	done
	rm -f "$dir"/tmp/heapsift/truth
	# glibc asks /proc and /sys for the sizes of huge pages
	# shellcheck disable=SC2016 # the inner shell's own variable
	unshare --mount --pid --fork --kill-child --mount-proc="$dir/proc" \
		sh -c 'mount --rbind /sys "$1/sys" && exec chroot "$@"' sh "$dir" \
		env "${environment[@]}" "/tmp/heapsift/$program" /tmp/heapsift/truth \
		"${arguments[@]}" >"$work/out" 2>"$work/err" &
	launcher=$!
	wait_ready "$launcher"
}

run_variant()
{
	local name=$1 dir=$2 variant=$3 line
	shift 3
	start "$dir" "$@"
	"$build/driver/walk_csv" "$target" >"$work/walk"
	kill -9 "$target"
	wait 2>/dev/null || true
	target=
	if line=$(python3 "$top/test/e2e/heap_compare.py" "$dir/tmp/heapsift/truth" "$work/walk"); then
		printf '  %-13s ok  %s\n' "$variant" "$line"
	else
		printf '  %-13s WRONG  %s\n' "$variant" "$line"
		failed=1
	fi
}

# Waits until the target of this launcher, its child, says that it is ready; its process id is
# in $target then.
wait_ready()
{
	local launcher=$1
	for _ in $(seq 300); do
		target=$(tr -d ' ' <"/proc/$launcher/task/$launcher/children")
		! grep -q ready "$work/out" || return 0
		sleep 0.1
	done
	echo "  the target did not get ready" >&2
	cat "$work/err" >&2
	return 1
}

# Pythons that have debug information, in the file or beside it in their root.
python_layouts()
{
	local dir=$cache/trixie file files=()
	for file in /usr/bin/python3.?? "$dir"/usr/bin/python3.?? \
		"$pyenv"/versions/3.{11,13}.*/lib/libpython3.*.so.1.0; do
		[ -e "$file" ] || continue
		if readelf -SW "$file" | grep -q '\.debug_info' ||
			[ -e "$(debug_file "${file%/usr/bin/*}" "$file")" ]; then
			files+=("$file")
		fi
	done
	python3 "$top/test/matrix/cpython_layouts.py" \
		"$build/CMakeFiles/heapsift_objects.dir/src/lang/cpython/cpy_layout.c.o" \
		"${files[@]}"
}

run_pythons()
{
	local python dir=$cache/trixie tests=$top/test/matrix/python.sh

	"$tests" "this machine's" /usr/bin/python3 || failed=1
	for python in "$pyenv"/versions/3.{11,13}.*/bin/python3; do
		[ ! -x "$python" ] || "$tests" pyenv "$python" || failed=1
	done
	if bootstrap trixie trixie trixie && install "$dir" python3 python3-dbg python3-numpy; then
		"$tests" trixie /usr/bin/python3 "$dir" || failed=1
	else
		echo "NOT RUN: trixie's Python"
		failed=1
	fi
	echo "layouts of CPython, against debug information:"
	python_layouts || failed=1
}

# Packages that a root lacks.
install()
{
	local dir=$1
	shift
	chroot "$dir" dpkg-query -s "$@" >/dev/null 2>&1 ||
		chroot "$dir" sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qqy install --no-install-recommends "$@"' sh "$@" \
			>"$work/install" 2>&1 || { tail -5 "$work/install" >&2; return 1; }
}

# Where the debug information of a root's libc, or of a file of it, is.
debug_file()
{
	local file=${2:-$1/usr/lib/x86_64-linux-gnu/libc.so.6} id
	[ -e "$file" ] || file=$1/lib/x86_64-linux-gnu/libc.so.6
	file=$(readlink -f "$file")
	id=$(readelf -n "$file" | awk '/Build ID/ { print $3 }')
	if [ -e "$1/usr/lib/debug${file#"$1"}" ]; then # Debian until 2015
		echo "$1/usr/lib/debug${file#"$1"}"
	else
		echo "$1/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
	fi
}

run_root()
{
	local name=$1 dir=$cache/$1 variant words shown=
	compile "$dir"
	while read -r variant words; do
		[ -n "$variant" ] || continue
		# shellcheck disable=SC2086 # words are words
		run_variant "$name" "$dir" "$variant" $words
		[ -n "$shown" ] || sed -n 's/^evidence /      /p' "$work/walk"
		shown=1
	done <<<"$variants"
}

failed=0
libcs=()
while read -r name suite libc; do
	[ -n "$name" ] || continue
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	if [[ $ubuntu_roots == *" $suite "* && -z $ubuntu_mirror && ! -e $cache/$name.ready ]]; then
		echo "NOT RUN: $name needs UBUNTU_MIRROR, the address of a mirror of Ubuntu"
		continue
	fi
	if ! bootstrap "$name" "$suite" "$libc"; then
		echo "NOT RUN: $name could not be bootstrapped"
		failed=1
		continue
	fi
	echo "$name: $(chroot "$cache/$name" /lib/x86_64-linux-gnu/libc.so.6 | head -1)"
	run_root "$name"
	libcs+=("$name=$(debug_file "$cache/$name")")
done <<<"$roots$ubuntu_roots"
if [ -e "$(debug_file "")" ]; then libcs+=("here=$(debug_file "")"); fi

echo "layouts of glibc, against debug information:"
"$build/driver/print_layouts" >"$work/table"
python3 "$top/test/matrix/layouts.py" "$work/table" "${libcs[@]}" || failed=1

if [ $# -eq 0 ] || [[ " $* " == *" python "* ]]; then run_pythons; fi
exit $failed
