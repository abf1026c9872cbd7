#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh build|demo|check|fuzz|bench|matrix|apps|all: install with apt what is missing of one set of packages.
# Says nothing and needs no rights when nothing is missing. Never asks.
set -euo pipefail

build=(gcc libc6-dev cmake ninja-build pkg-config libzstd-dev libxxhash-dev
	libiberty-dev liblz4-dev liblzma-dev zlib1g-dev
	libsqlite3-dev)
demo=("${build[@]}" g++ python3 python3-django)
check=("${demo[@]}" libcmocka-dev python3-pytest python3-numpy clang clang-format clang-tidy
	binutils shellcheck codespell mandoc procps musl-tools gdb libdebuginfod1 zstd lz4
	xz-utils)
fuzz=("${build[@]}" clang libclang-rt-14-dev)
bench=("${demo[@]}" gdb python3 python3-igraph)
matrix=("${demo[@]}" libcmocka-dev python3-pytest python3-numpy python3-dbg gdb binutils
	mmdebstrap)
apps=("${build[@]}" python3-pytest postgresql nginx-light ruby)
all=("${check[@]}" "${fuzz[@]}" "${bench[@]}" "${matrix[@]}" "${apps[@]}")

case ${1:-} in
build) set -- "${build[@]}" ;;
demo) set -- "${demo[@]}" ;;
check) set -- "${check[@]}" ;;
fuzz) set -- "${fuzz[@]}" ;;
bench) set -- "${bench[@]}" ;;
matrix) set -- "${matrix[@]}" ;;
apps) set -- "${apps[@]}" ;;
all) set -- "${all[@]}" ;;
*)
	echo "usage: deps.sh build|demo|check|fuzz|bench|matrix|apps|all" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not a Debian system; going on with what is here. On Debian these are needed:" >&2
	echo "deps: $*" >&2
	exit 0
fi

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
missing=()
for package in "$@"; do
	[[ " ${missing[*]} " != *" $package "* ]] || continue # it is in two sets
	grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root=(sudo -n)
else
	echo "deps: missing: ${missing[*]}" >&2
	echo "deps: not root, and sudo would ask or is not here; run once as root:" >&2
	echo "deps:   apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi

apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

echo "deps: installing with apt: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists may be absent, or so old that the packages they name are gone.
if ! apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1 &&
	! { apt update && apt install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1
then
	tail -15 "$log" >&2
	echo "deps: apt could not install: ${missing[*]}" >&2
	exit 1
fi
