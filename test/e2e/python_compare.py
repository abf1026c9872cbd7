# SPDX-License-Identifier: Apache-2.0
"""The graph of a Python process as read_python tells it, against the interpreter's own word
(fixture/python_mixed.py).

    python_compare.py TRUTH READ OWNED VERSION     prints the figures; what differs by type,
                                                   and code 1, if that is too much
"""
import collections
import struct
import sys

POSSIBLE, INTERIOR, FIELD, ATTRIBUTE, ITEM, KEY, VALUE, ELEMENT, LOCAL, WEAK = range(10)
KINDS = "possible interior field attribute item key value element local weak".split()

# Fields whose objects the collector passes over: their holder tells what they hold as its
# own. A lru_cache's are its elements.
PASSED_OVER = {"link"}

Told = collections.namedtuple("Told", "type size refcount edges")


class Truth:
    """objects: id -> Told, its edges a list of ids; bases: name of type -> its mro."""

    def __init__(self, path):
        self.objects, self.bases, names = {}, {}, {}
        with open(path, "rb") as f:
            data = f.read()
        word, head, at = struct.Struct("<II"), struct.Struct("<QIQqI"), 0
        while at < len(data):
            if data[at:at + 1] == b"T":
                number, length = word.unpack_from(data, at + 1)
                at += 1 + word.size
                bases = data[at:at + length].decode().split("\n")
                names[number] = bases[0]
                self.bases.setdefault(bases[0], bases)
                at += length
                continue
            addr, number, size, refcount, n = head.unpack_from(data, at + 1)
            at += 1 + head.size
            edges = struct.unpack_from(f"<{n}Q", data, at)
            at += 8 * n
            self.objects[addr] = Told(names[number], size, refcount, edges)


class Read:
    """objects: address -> Told, its edges a list of (to, label); roots: Counter of
    addresses; labels: number -> (kind, name)."""

    def __init__(self, path):
        self.objects, self.labels, self.roots = {}, {}, collections.Counter()
        self.unreached, self.other, self.values = set(), [], {}
        types, edges, addr = {}, None, None
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                word = line.split(None, 6)
                if word[0] == "e":
                    edges.append((int(word[1], 16), int(word[2])))
                elif word[0] == "o":
                    edges, addr = [], int(word[1], 16)
                    self.objects[addr] = Told(int(word[2]), int(word[3]), int(word[4]),
                                              edges)
                    if word[6][0] == "0":
                        self.unreached.add(addr)
                elif word[0] == "r":
                    if word[2] == "1":
                        self.roots[int(word[1], 16)] += 1
                elif word[0] == "t":
                    types[int(word[1])] = line.rstrip("\n").split(" ", 2)[2]
                elif word[0] == "l":
                    kind, name = line.rstrip("\n").split(" ", 3)[2:]
                    self.labels[int(word[1])] = (int(kind), name)
                elif word[0] == "v":
                    self.values[addr] = line[2:].rstrip("\n")
                elif word[0] not in "px":
                    self.other.append(line.rstrip("\n"))
        for addr, o in self.objects.items():
            self.objects[addr] = o._replace(type=types[o.type])
        self.certain = {n for n, (kind, _) in self.labels.items()
                        if kind not in (POSSIBLE, WEAK)}

    def label(self, number):
        kind, name = self.labels[number]
        return name or KINDS[kind]


class Owned:
    """What objects own though their types' tp_traverse does not tell the collector. A line
    of the file: TYPE[,TYPE] FIELD[,FIELD] [SINCE-UNTIL] -- where CPython has it."""

    def __init__(self, path, version):
        self.entries, self.used = [], set()
        with open(path) as f:
            lines = [line.strip() for line in f]
        for line in lines:
            if not line or line[0] == "#":
                continue
            words, _, source = line.partition(" -- ")
            types, fields, *versions = words.split()
            assert source, line
            since, _, until = (versions[0] if versions else "3.0-").partition("-")
            if number_of(since) <= version < number_of(until or "9.0"):
                self.entries.append((line, types.split(","), set(fields.split(","))))

    def find(self, bases, label):
        """The line that explains this field, or None."""
        for line, types, fields in self.entries:
            if (types == ["*"] or any(t in bases for t in types)) and \
               (label in fields or "*" in fields):
                return line
        return None

    def unused(self, bases, fields):
        """Lines that explain nothing though there are such types; and their fields that do
        not, if `fields`."""
        for line, types, names in self.entries:
            if types != ["*"] and not any(t in bases for t in types):
                continue
            seen = {label for used, label in self.used if used == line}
            if not seen:
                yield line
            elif fields and "*" not in names:
                yield from (f"{name} of: {line}" for name in sorted(names - seen))


def number_of(version):
    major, minor = version.split(".")
    return int(major), int(minor)


# What must not be at all, and of what at least this share must be equal.
NEVER = ("not found", "of another type", "another size", "edge lost",
         "edge not even possible", "not a referent", "no object", "held too often")
MOSTLY = {"referents": 0.999, "refcounts": 0.999}

# Types of which not every reference is known, but as a possible one: what C code keeps for a
# module or capsule, and structs that Cython made up.
IN_PART = ("module", "PyCapsule", "numpy.ufunc", "numpy.random.",
           "cython_function_or_method", "_cython_")
# Of these not one reference is known: their structs change with each release of Cython. They
# are no part of the share.
CYTHON = ("cython_function_or_method", "_cython_")


class Difference:
    def __init__(self, truth, read, owned):
        self.truth, self.read, self.owned = truth, read, owned
        self.figures = {}
        self.lists = collections.defaultdict(collections.Counter)
        self.examples = {}
        self.inline = dict(self.find_inline())
        self.inline_dicts = set(self.inline.values())
        for addr, told in truth.objects.items():
            self.compare(addr, told)
        self.compare_refcounts()
        self.count_all()

    def count_all(self):
        truth, figures = self.truth, self.figures
        figures["objects"] = (len(truth.objects) - self.count("not found")
                              - self.count("of another type"), len(truth.objects))
        edges = sum(len(o.edges) for o in truth.objects.values())
        asked = sum(len(o.edges) for o in truth.objects.values() if not o.type.startswith(CYTHON))
        lost = sum(n for edge, n in self.lists["edge not found"].items()
                   if not edge.startswith(CYTHON))
        figures["referents"] = (asked - lost, asked)
        figures["or possible"] = (edges - self.count("edge not even possible"), edges)
        found = len(truth.objects) - self.count("not found")
        figures["sizes"] = (found - self.count("another size"), found)
        figures["refcounts"] = (found - self.count("another refcount"), found)

    def count(self, what):
        return sum(self.lists[what].values())

    def note(self, what, key, addr):
        self.lists[what][key] += 1
        self.examples.setdefault((what, key), hex(addr))

    def edges_of(self, o):
        """(to, label) of its certain references."""
        for to, label in o.edges:
            if to and label in self.read.certain:
                yield to, label

    def find_inline(self):
        """(instance, dict) of the dicts whose values lie in the instance. From some 3.13.x
        on (GH-130327) they are the dict's to tell, before it is the instance that does; we
        always have the instance tell them."""
        for addr, o in self.read.objects.items():
            for to, label in self.edges_of(o):
                told, found = self.truth.objects.get(to), self.read.objects.get(to)
                if self.read.label(label) == "__dict__" and told and found and \
                   told.edges and not found.edges:
                    yield addr, to

    def compare(self, addr, told):
        found = self.read.objects.get(addr)
        if not found:
            self.note("not found", told.type, addr)
            return
        if found.type != told.type:
            self.note("of another type", f"{told.type}: {found.type}", addr)
        if found.size != told.size:
            self.note("another size", f"{told.type} {found.size - told.size:+d}", addr)
        if found.refcount != -1 and found.refcount != told.refcount:
            self.note("another refcount", told.type, addr)
        if addr not in self.inline_dicts:
            self.compare_edges(addr, told, found)

    def compare_edges(self, addr, told, found):
        left = collections.Counter(told.edges)
        if addr in self.inline:
            left.update(self.truth.objects[self.inline[addr]].edges)
        bases = self.truth.bases[told.type]
        untold = []     # those that a line explains, if they are no referents
        for to, label in self.edges_of(found):
            name = self.read.label(label)
            line = self.owned.find(bases, name)
            other = self.read.objects.get(to)
            if other and other.type == "StgDict":
                # 3.11 _ctypes.c CDataType_traverse: the type tells what its dict holds
                left -= collections.Counter(
                    further for further, l in self.edges_of(other)
                    if self.read.label(l) == "proto" and left[further] > 0)
            if other and name in PASSED_OVER:
                for further, _ in self.edges_of(other):
                    left[further] -= left[further] > 0
            elif line:
                untold.append((to, name, line))
            elif left[to] > 0:
                left[to] -= 1
            else:
                self.note("not a referent", f"{told.type} {name}", addr)
        for to, name, line in untold:
            if left[to] > 0:
                left[to] -= 1
            else:
                self.owned.used.add((line, name))
        for to, n in left.items():
            if n > 0:
                other = self.truth.objects.get(to)
                edge = f"{told.type} -> {other and other.type}"
                self.note("edge not found", edge, addr)
                if not any(e[0] == to for e in found.edges):
                    self.note("edge not even possible", edge, addr)
                if not told.type.startswith(IN_PART):
                    self.note("edge lost", edge, addr)

    def compare_refcounts(self):
        held = collections.Counter(self.read.roots)
        for addr, o in self.read.objects.items():
            if addr not in self.read.unreached:
                held.update(to for to, _ in self.edges_of(o))
        for addr, n in held.items():
            o = self.read.objects.get(addr)
            if o and o.refcount != -1 and n > o.refcount:
                self.note("held too often", f"{o.type}", addr)
            elif not o:
                self.note("no object", hex(addr), addr)

    def faults(self):
        for what in NEVER:
            if self.lists[what]:
                yield what
        for what, least in MOSTLY.items():
            equal, n = self.figures[what]
            if equal < least * n:
                yield f"{what}: {equal} of {n}"

    def summary(self):
        parts = [f"{name} {a}/{b} ({100 * a / b:.3f} %)"
                 for name, (a, b) in self.figures.items()]
        parts.append(f"held too often {self.count('held too often')}")
        return ", ".join(parts)

    def report(self, most=25):
        for what, counter in self.lists.items():
            yield f"{what}: {sum(counter.values())}"
            for key, n in counter.most_common(most):
                yield f"  {n:6} {key}   {self.examples[what, key]}"


def main():
    truth, read = Truth(sys.argv[1]), Read(sys.argv[2])
    difference = Difference(truth, read, Owned(sys.argv[3], number_of(sys.argv[4])))
    print(difference.summary())
    faults = list(difference.faults())
    if faults:
        print(*faults, *read.other, *difference.report(), sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
