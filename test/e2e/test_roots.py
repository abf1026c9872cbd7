# SPDX-License-Identifier: Apache-2.0
"""What holds native blocks from outside the heap, against a fixture that knows: each of its
blocks is held in one way, by one word, or not at all."""
import os
import subprocess

import pytest
from conftest import FIXTURES, HEAPSIFT

PRINT_GRAPH = HEAPSIFT.parent / "driver" / "print_graph"
THREAD, GLOBALS = 4, 5
STACK, REGISTER, TLS, GLOBAL = 5, 6, 7, 8
ADDRESS, INTERIOR = 0, 1


class Graph:
    def __init__(self, text):
        self.roots, self.edges, self.nodes = [], [], {}
        for line in text.splitlines():
            what, *fields = line.split("\t")
            if what == "root":
                self.roots.append((int(fields[0]), fields[1], int(fields[2]), fields[3],
                                   fields[4], fields[5] == "1"))
            elif what == "node":
                self.nodes[fields[0]] = (fields[2], fields[3])
            elif what == "edge":
                self.edges.append((fields[0], fields[1], int(fields[2])))

    def roots_of(self, node):
        return [r[:4] for r in self.roots if r[4] == node]

    def sources_of(self, node):
        return [source for source, to, _ in self.edges if to == node]

    def reached(self):
        out = {}
        for source, to, _ in self.edges:
            out.setdefault(source, []).append(to)
        todo = [r[4] for r in self.roots]
        seen = set(todo)
        while todo:
            for to in out.get(todo.pop(), ()):
                if to not in seen:
                    seen.add(to)
                    todo.append(to)
        return seen


def graph_text(target, *mode):
    done = subprocess.run([PRINT_GRAPH, str(target), *mode], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def start_roots(start, program="roots", **popen):
    target = start(program, str(FIXTURES / "roots_lib.so"), **popen)
    blocks = dict(line.rsplit(" ", 1) for line in target.truth)
    return target, blocks


@pytest.fixture
def held(start):
    target, blocks = start_roots(start)
    return target, blocks, Graph(graph_text(target.pid))


def test_globals_have_their_names(held):
    _, blocks, graph = held
    for block, library, name in [
            ("global", "roots", "a_global"), ("static", "roots", "hidden"),
            ("static of a C++ function", "roots", "main::exchange"),
            ("element", "roots", "table+24"), ("inside", "roots", "table+40"),
            ("head of a chain", "roots", "table+48"),
            ("library's global", "roots_lib.so", "lib_global"),
            ("library's static", "roots_lib.so", "lib_hidden+8")]:
        assert graph.roots_of(blocks[block]) == [(GLOBALS, library, GLOBAL, name)], block


def test_threads_hold_stack_register_and_tls(held):
    target, blocks, graph = held
    main = str(target.pid)
    worker = [r[1] for r in graph.roots if r[1].endswith(" (worker)")][0]
    assert graph.roots_of(blocks["main's local"]) == [(THREAD, main, STACK, "")]
    assert graph.roots_of(blocks["worker's local"]) == [(THREAD, worker, STACK, "")]
    assert graph.roots_of(blocks["in a register"]) == [(THREAD, main, REGISTER, "r12")]
    assert graph.roots_of(blocks["main's tls"]) == [(THREAD, main, TLS, "own")]
    assert graph.roots_of(blocks["worker's tls"]) == [(THREAD, worker, TLS, "own")]
    assert graph.roots_of(blocks["specific"]) == [(THREAD, main, TLS, "")]


def test_variables_of_a_library_loaded_later_are_held_by_the_vector(held):
    target, blocks, graph = held
    assert graph.roots_of(blocks["library's tls"]) == []
    [copy] = graph.sources_of(blocks["library's tls"])
    assert graph.roots_of(copy) == [
        (THREAD, str(target.pid), TLS, "variables of roots_lib.so")]


def test_variables_of_a_library_loaded_at_the_start_have_their_names(start):
    library = str(FIXTURES / "roots_lib.so")
    target, blocks = start_roots(start, env={**os.environ, "LD_PRELOAD": library})
    assert Graph(graph_text(target.pid)).roots_of(blocks["library's tls"]) == [
        (THREAD, str(target.pid), TLS, "lib_tls")]


def test_edges_tell_addresses_from_interior_pointers(held):
    _, blocks, graph = held
    assert [e for e in graph.edges if e[0] == blocks["head of a chain"]] == [
        (blocks["head of a chain"], blocks["next in the chain"], ADDRESS)]


def test_what_lies_below_the_stack_pointer_holds_nothing(held):
    target, blocks, graph = held
    # It is there: the stale word can be seen in memory.
    stale = int(blocks["stale"], 16).to_bytes(8, "little")
    with open(f"/proc/{target.pid}/maps") as maps, \
            open(f"/proc/{target.pid}/mem", "rb") as memory:
        [stack] = [line.split()[0] for line in maps if line.endswith("[stack]\n")]
        begin, end = (int(word, 16) for word in stack.split("-"))
        memory.seek(begin)
        assert memory.read(end - begin).count(stale) == 1
    for block in ("stale", "forgotten"):
        assert graph.roots_of(blocks[block]) == []
        assert graph.sources_of(blocks[block]) == []


def test_all_else_is_reached(held, heapsift):
    target, blocks, graph = held
    used = {row["addr"] for row in heapsift("blocks", target.pid, "--used", "--json",
                                            "--limit=0").rows()}
    assert used - graph.reached() == {blocks["stale"], blocks["forgotten"]}


def test_freeze_mode_finds_the_same_graph(start):
    target, _ = start_roots(start)
    assert graph_text(target.pid, "freeze") == graph_text(target.pid)


def test_a_snapshot_file_holds_the_same_graph(start, heapsift, tmp_path):
    target, _ = start_roots(start)
    heapsift("dump", target.pid, "-o", tmp_path / "graph.hsift")
    live = graph_text(target.pid)
    assert live.count("\n") > 20
    assert graph_text(tmp_path / "graph.hsift") == live
