# SPDX-License-Identifier: Apache-2.0
"""Our tables of glibc's structures against the debug information of real ones.

    layouts.py TABLE NAME=DEBUG_FILE...

TABLE is what test/driver/print_layouts prints. Each structure of each libc must be one of
our rows, whole. Rows that no libc has are printed as untested. Exit 1: a libc has a
structure that fits no row.
"""
import re
import subprocess
import sys

FIELD = re.compile(r"^/\*\s*(\d+)(?::\s*\d+)?\s*\|\s*\d+\s*\*/\s+.*?(\w+)(?:\[[^;]*\])*;")
TOTAL = re.compile(r"total size \(bytes\):\s*(\d+)")


def read_table(path):
    rows = []
    for line in open(path):
        struct, versions, since, *fields = line.split()
        rows.append((struct, versions, since,
                     {k: int(v) for k, v in (f.split("=") for f in fields)}))
    return rows


def read_dwarf(debug_file, struct):
    """Offsets of the fields as gdb's `ptype /o` prints them, and sizeof; {}: this libc has
    no such structure (tcaches came with 2.26)."""
    out = subprocess.run(["gdb", "-batch", "-nx", "-ex", f"ptype /o struct {struct}",
                          debug_file], capture_output=True, text=True, timeout=120).stdout
    fields = {m[2]: int(m[1]) for m in map(FIELD.match, out.splitlines()) if m}
    total = TOTAL.search(out)
    if not fields and struct == "tcache_perthread_struct":
        return {}
    if not fields or not total:
        raise SystemExit(f"gdb tells nothing of struct {struct} in {debug_file}")
    fields["sizeof"] = int(total[1])
    return fields


def fits(row, fields):
    """Every field of the row is where the libc has it, and none that rows may lack is
    forgotten."""
    optional = ("fastbinsY", "next_free", "attached_threads", "pagesize", "max_total_mem",
                "tcache_count", "thp_pagesize")
    if "ar_ptr" not in fields and any((f in fields) != (f in row) for f in optional):
        return False
    for names, offset in row.items():
        if offset not in [fields[n] for n in names.split("|") if n in fields]:
            return False
    return True


def main(argv):
    rows = read_table(argv[1])
    tested, failed = {}, False
    for name, debug_file in (arg.split("=", 1) for arg in argv[2:]):
        for struct in dict.fromkeys(row[0] for row in rows):
            fields = read_dwarf(debug_file, struct)
            if not fields:
                continue
            hit = [r for r in rows if r[0] == struct and fits(r[3], fields)]
            if hit:
                tested.setdefault((struct, hit[0][1]), []).append(name)
            else:
                failed = True
                print(f"  {struct}: {name} fits no row: {fields}")
    for struct, versions, since, _ in rows:
        names = tested.get((struct, versions))
        print(f"  {struct:24} {versions:10} " + (f"same in {', '.join(names)}" if names
                                                 else "untested: no root has it"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
