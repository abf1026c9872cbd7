#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Speed and memory beside other tools, in tables that end with a ratio. BUILD is the build
# folder; BENCH_TMP is where cores go (they are as large as the targets, up to 5 GB).
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-build}

cmake --build "$BUILD" --target bench >/dev/null
read -r load _ </proc/loadavg
printf 'load %s on %s processors; figures hold on an idle machine\n\n' "$load" "$(nproc)"
bench/pause.sh
printf '\n'
python3 bench/bench_core.py "$BUILD"
printf '\n'
python3 bench/bench_big_core.py "$BUILD" 1 # 10 takes minutes and 10 GB, of memory too
printf '\n'
python3 bench/bench_walk.py "$BUILD"
printf '\n'
peer_python=/usr/bin/python3 # apt's igraph is for the system's
[ -x "$peer_python" ] || peer_python=python3
"$peer_python" bench/bench_graph.py "$BUILD"
printf '\n'
BENCH_PYTHON=$peer_python python3 bench/bench_python.py "$BUILD"
printf '\n'
BENCH_PYTHON=$peer_python python3 bench/bench_snapshot.py "$BUILD"
printf '\n'
BENCH_PYTHON=$peer_python python3 bench/bench_sql.py "$BUILD" # 10 M nodes: minutes, and 5 GB of memory
