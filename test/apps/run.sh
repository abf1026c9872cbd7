#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# heapsift on real programs: a PostgreSQL backend, redis, an nginx worker, Ruby. Debian's
# redis has an allocator of its own, so it is built here from Debian's source package with
# libc's; that is kept in ${XDG_CACHE_HOME:-~/.cache}/heapsift-apps.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heapsift-apps
log=$build/apps.log

# The source package, by the mirror that apt is configured with.
fetch_redis() {
	local uri suite options
	# shellcheck disable=SC2016 # apt's own variables
	read -r uri suite < <(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
	mkdir -p "$cache/lists/partial"
	echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" \
		>"$cache/sources.list"
	options=(-qq -o "Dir::Etc::SourceList=$cache/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$cache/lists" -o APT::Sandbox::User=root)
	apt-get "${options[@]}" update
	(cd "$cache" && apt-get "${options[@]}" source --download-only redis)
}

build_redis() {
	fetch_redis
	rm -rf "$cache/redis"
	mkdir "$cache/redis"
	tar -xf "$cache"/redis_*.orig.tar.* -C "$cache/redis" --strip-components=1
	make -C "$cache/redis/src" -j"$(nproc)" MALLOC=libc USE_SYSTEMD=no BUILD_TLS=no redis-server
}

export APPS_REDIS=$cache/redis/src/redis-server
if [ ! -x "$APPS_REDIS" ]; then
	echo "building redis with libc's malloc"
	build_redis >"$log" 2>&1 || { tail -15 "$log" >&2; exit 1; }
fi
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider -ra test/apps "$@"
