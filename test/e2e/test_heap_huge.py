# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300 serial
"""glibc.malloc.hugetlb: heaps in huge pages, and what the tunable does without any."""
import contextlib
import re

import heap_compare
from conftest import not_run
from test_heap_truth import TUNABLES, assert_true, walk

POOL = "/proc/sys/vm/nr_hugepages"
PAGES = 256  # of 2 MiB
ROOM = 2 << 20  # KiB that must be available


def meminfo(key):
    return int(re.search(rf"^{key}:\s+(\d+)", open("/proc/meminfo").read(), re.M)[1])


@contextlib.contextmanager
def huge_pages(pages):
    """The machine's pool of huge pages, at this size for a while; how many it got."""
    before = open(POOL).read()
    try:
        with open(POOL, "w") as pool:
            pool.write(str(pages))
        yield int(open(POOL).read())
    finally:
        with open(POOL, "w") as pool:
            pool.write(before)


def look(start, folder, hugetlb, *args):
    path = folder / "truth"
    target = start("heap_truth", path, *args,
                   env={TUNABLES: f"glibc.malloc.hugetlb={hugetlb}"})
    smaps = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", open(f"/proc/{target.pid}/smaps").read(),
                     flags=re.M)[1:]
    return heap_compare.Truth(path), walk(target, folder / "walk"), smaps


def with_flag(smaps, flag):
    return [s for s in smaps if re.search(rf"^VmFlags:.* {flag}\b", s, re.M)]


def assert_heaps_of_8_mib(truth, walked, smaps):
    """What hp_pagesize does in 2.35..2.41, with huge pages or without: no break, and heaps
    four huge pages long."""
    if not (2, 35) <= truth.version <= (2, 41):
        return
    assert not [s for s in smaps if s.split("\n")[0].endswith("[heap]")]
    starts = {address - 48 for address, _ in walked.arenas[1:]}
    assert any(start % (64 << 20) for start in starts)
    assert all(start % (8 << 20) == 0 for start in starts)


def reserve_or_skip(stack, pages):
    if meminfo("MemAvailable") < ROOM or meminfo("Hugepagesize") != 2048:
        not_run("no room for 256 huge pages of 2 MiB")
    try:
        got = stack.enter_context(huge_pages(pages))
    except OSError as error:
        not_run(f"huge pages cannot be reserved: {error.strerror}")
    if got < pages:
        not_run(f"the kernel gave {got} of {pages} huge pages")


def test_transparent_huge_pages(start, tmp_path):
    truth, walked, smaps = look(start, tmp_path, 1)
    assert_true(truth, walked)
    heap = [s for s in smaps if s.split("\n")[0].endswith("[heap]")]
    assert with_flag(heap, "hg"), "the break was not madvised"


def test_layout_without_any_huge_page(start, tmp_path):
    """malloc asks for huge pages, gets none, and lays out its heaps for them all the same."""
    with contextlib.ExitStack() as stack:
        if int(open(POOL).read()):
            reserve_or_skip(stack, 0)
        truth, walked, smaps = look(start, tmp_path, 2)
    assert not with_flag(smaps, "ht")
    assert_true(truth, walked)
    assert_heaps_of_8_mib(truth, walked, smaps)


def test_huge_pages(start, tmp_path):
    with contextlib.ExitStack() as stack:
        reserve_or_skip(stack, PAGES)
        truth, walked, smaps = look(start, tmp_path, 2, "no-realloc")
        assert len(with_flag(smaps, "ht")) > 10
    assert_true(truth, walked)
    assert truth.info["hblks"] > 10
    assert_heaps_of_8_mib(truth, walked, smaps)


def sums(heapsift, target):
    answer = heapsift("summary", target.pid, "-n", 0, "--json").json()
    assert sum(row["resident"] for row in answer["rows"]) == answer["rss"]
    return answer["rows"]


def test_summary_has_their_bytes_and_none_resident(start, heapsift, tmp_path):
    """Set aside or malloc's: RSS does not count them."""
    with contextlib.ExitStack() as stack:
        reserve_or_skip(stack, PAGES)
        target = start("regions")
        truth = dict(line.split() for line in target.truth)
        huge = [r for r in sums(heapsift, target) if r["category"] == "hugetlb"]
        assert sum(r["bytes"] for r in huge) == int(truth["hugetlb"])
        assert all(r["resident"] == 0 for r in huge)
        target = start("heap_truth", tmp_path / "truth", "no-realloc",
                       env={TUNABLES: "glibc.malloc.hugetlb=2"})
        rows = {(r["category"], r["detail"]): r for r in sums(heapsift, target)}
        used = rows["mmapped malloc", "used"]
        assert used["bytes"] > 10 << 20 and used["resident"] < 1 << 20


def test_chunks_that_malloc_cannot_unmap(start, tmp_path):
    """realloc rounds an mmapped chunk to small pages, free counts it down, and munmap
    refuses that length: memory that is neither malloc's nor gone. A note, no damage."""
    with contextlib.ExitStack() as stack:
        reserve_or_skip(stack, PAGES)
        truth, walked, _ = look(start, tmp_path, 2, "shrink")
    freed = [b for b in map(walked.at, set(truth.freed) - set(truth.live))
             if b and b[3] == "used" and b[4] == heap_compare.MMAPPED]
    if not freed and truth.version > (2, 41):
        assert_true(truth, walked)  # a glibc that can
        return
    assert freed
    count, size = walked.totals(heap_compare.MMAPPED, "used")
    lost = sum(b[1] + b[2] for b in freed)
    assert (count - len(freed), size - lost) == (truth.info["hblks"], truth.info["hblkhd"])
    wrong = [d for d in heap_compare.differences(truth, walked)
             if not d.startswith(("freed ", "mmapped "))]
    assert not wrong, wrong[:10]
    assert any(f.startswith("note ") and f"{len(freed)} mmapped chunks of {lost} bytes" in f
               for f in walked.findings), walked.findings
