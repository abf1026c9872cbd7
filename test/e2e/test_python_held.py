# SPDX-License-Identifier: Apache-2.0
"""Python objects that C code holds: by a static variable, by a block of malloc's, by an
interior pointer, by a reference that it forgot to give back; and a word that holds nothing,
because the object's references are all known."""
import pytest
from conftest import FIXTURES, ROOT, python_there, pythons
from test_roots import ADDRESS, GLOBAL, GLOBALS, STACK, Graph, graph_text

INTERPRETER, MODULE, FIELD, NAME = 2, 3, 0, 2
HOLDER = "python_holder.so"


@pytest.fixture(params=pythons("3.11", "3.13"))
def holder(request, start):
    return start(python_there(request.param), ROOT / "test" / "fixture" / "python_held.py",
                 FIXTURES / HOLDER)


@pytest.fixture
def held(holder):
    objects = dict(line.rsplit(" ", 1) for line in holder.truth)
    return objects, Graph(graph_text(holder.pid))


def roots_of(graph, node):
    """But for words of stacks: the interpreter's own frames may hold what they once used."""
    return [root for root in graph.roots_of(node) if root[2] != STACK]


def test_statics_of_an_extension_hold(held):
    objects, graph = held
    assert roots_of(graph, objects["cached"]) == [(GLOBALS, HOLDER, GLOBAL, "cached")]
    assert roots_of(graph, objects["in a table"]) == [
        (GLOBALS, HOLDER, GLOBAL, "table+16")]
    assert roots_of(graph, objects["pointed into"]) == [(GLOBALS, HOLDER, GLOBAL, "inside")]
    assert not any(root[5] for root in graph.roots
                   if root[1] == HOLDER), "a word of C's is never certain"


def test_a_block_of_malloc_holds(held):
    objects, graph = held
    [source] = graph.sources_of(objects["in a block"])
    assert (source, objects["in a block"], ADDRESS) in graph.edges
    assert graph.roots_of(source) == [(GLOBALS, HOLDER, GLOBAL, "holders")]
    assert graph.nodes[source][0] == "uncategorized"


def test_a_small_block_of_pythons_allocator_holds(held):
    objects, graph = held
    assert roots_of(graph, objects["in a small block"]) == [
        (INTERPRETER, "interpreter", FIELD, "memory of C code")]


def test_a_word_holds_nothing_where_all_references_are_known(held):
    objects, graph = held
    assert roots_of(graph, objects["kept"]) == [(MODULE, "__main__", NAME, "kept")]


def test_a_forgotten_reference_is_held_by_nobody(held):
    objects, graph = held
    assert roots_of(graph, objects["forgotten"]) == []
    assert graph.sources_of(objects["forgotten"]) == []
    # What it refers to is told all the same.
    assert [to for source, to, _ in graph.edges if source == objects["forgotten"]]


def test_why_names_the_static_and_show_the_forgotten_reference(holder, heapsift):
    objects = dict(line.rsplit(" ", 1) for line in holder.truth)

    def asked(command, name):
        return heapsift(command, holder.pid, objects[name], "--json").rows()

    assert {"group": f"globals of {HOLDER}", "kind": "global", "name": "cached",
            "certain": False} in [path["root"] for path in asked("why", "cached")]
    assert f"global cached in {HOLDER}" in heapsift("why", holder.pid, objects["cached"]).out
    assert [unexplained(asked("show", name)[0]) for name in ("forgotten", "cached", "kept")] \
        == [1, 0, 0]
    assert asked("show", "forgotten")[0]["referrers"] == []


def unexplained(shown):
    """References that nobody accounts for, but a word of a stack that may be stale."""
    return shown["unexplained"] or int({root["kind"] for root in shown["roots"]} == {"stack"})


def test_files_and_freeze_mode_have_the_same_graph(holder, heapsift, tmp_path):
    live = graph_text(holder.pid)
    assert live.count("\n") > 10000
    assert graph_text(holder.pid, "freeze") == live
    heapsift("dump", holder.pid, "-o", tmp_path / "held.hsift")
    assert graph_text(tmp_path / "held.hsift") == live


@pytest.mark.parametrize("python", pythons("3.11", "3.13"))
def test_the_interpreters_own_memory_is_called_so(start, python):
    """Its map of arenas is 256 and 128 KiB, its texts are one dict: known by layout."""
    target = start(python_there(python), "-c", "import threading; threading.Thread("
                   "target=threading.Event().wait, daemon=True).start(); "
                   "print('ready', flush=True); input()")
    text = graph_text(target.pid)
    graph = Graph(text)
    kinds = {kind for domain, kind in graph.nodes.values() if domain == "cpython"}
    assert {"obmalloc arena map", "obmalloc arenas", "thread state"} <= kinds
    nodes = [line.split("\t") for line in text.splitlines() if line.startswith("node")]
    assert not [n for n in nodes if n[3] == "uncategorized" and int(n[2]) >= 128 << 10]
    names = [root for root in graph.roots if root[0] == INTERPRETER
             and root[3] in ("interned", "interned_strings")]
    assert len(names) == 1 and graph.nodes[names[0][4]][1] == "dict" and names[0][5]
