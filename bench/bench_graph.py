# SPDX-License-Identifier: Apache-2.0
"""Dominators of made-up graphs, alone and beside igraph (its C code, also after Lengauer and
Tarjan) where Python has it. igraph's answer is compared with ours, node by node; what the
top does not reach is not compared: igraph has no answer for it."""
import array
import os
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
SIZES = sys.argv[2:] or ["1", "10"]  # millions of nodes
PEER_MILLIONS = "1"
PEER_SHAPES = ["random", "objects", "shared"]

try:
    import igraph
except ImportError:
    igraph = None


def own_seconds():
    """By shape, of graphs as large as the peer gets."""
    out = subprocess.run([f"{BUILD}/bench/bench_graph", PEER_MILLIONS], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[0]: float(line.split()[3]) for line in out.splitlines()[1:]}


def words_of(shape):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
        path = os.path.join(folder, "graph")
        subprocess.run([f"{BUILD}/bench/bench_graph", shape, PEER_MILLIONS, path], check=True)
        words = array.array("I")
        with open(path, "rb") as file:
            words.frombytes(file.read())
    return words


def beside_igraph(shape, own):
    words = words_of(shape)
    nodes, vertices, edges = words[:3]
    ends = words[3:3 + 2 * edges]
    graph = igraph.Graph(n=vertices, edges=list(zip(ends[::2], ends[1::2])), directed=True)
    start = time.process_time()
    theirs = graph.dominator(nodes)
    took = time.process_time() - start
    ours = words[3 + 2 * edges:]
    compared = [v for v in range(nodes) if theirs[v] >= 0]
    wrong = sum(theirs[v] != ours[v] for v in compared)
    print(f"{shape:8} {own:8.3f} {took:8.3f} {took / own:7.1f} {len(compared):9} {wrong:9}",
          flush=True)


def main():
    print("dominators and retained sizes; s: of one processor", flush=True)
    for size in SIZES:
        subprocess.run([f"{BUILD}/bench/bench_graph", size], check=True)
    if not igraph:
        print("igraph is not installed for this Python: no peer")
        return
    print(f"\nbeside igraph {igraph.__version__}, {PEER_MILLIONS} million nodes "
          "(its dominators; ours with retained sizes)")
    print(f"{'shape':8} {'ours':>8} {'igraph':>8} {'ratio':>7} {'compared':>9} {'different':>9}",
          flush=True)
    own = own_seconds()
    for shape in PEER_SHAPES:
        beside_igraph(shape, own[shape])


main()
