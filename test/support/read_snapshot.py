# SPDX-License-Identifier: Apache-2.0
"""A reader of snapshot files that knows docs/SNAPSHOT.md and nothing of heapsift's code.

    read_snapshot.py FILE      prints each section: name, width, rows, encoding, frames
"""
import array
import collections
import ctypes
import itertools
import struct
import sys

MAGIC, END = b"\x89HSIFT\r\n", b"HSIFTEND"
MAJOR = 1
FRAME_MOST = 16 << 20
DELTA, PLANES = 1, 2
ZSTD = ctypes.CDLL("libzstd.so.1")
XXHASH = ctypes.CDLL("libxxhash.so.0")
XXHASH.XXH64.restype = ctypes.c_uint64
XXHASH.XXH64.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t,
                                 ctypes.c_char_p, ctypes.c_size_t]
CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}

Section = collections.namedtuple(
    "Section", "name width is_text encoding rows offset frame_rows frames")


class Damaged(Exception):
    """The file is not what the text says."""


def must(claim, what):
    if not claim:
        raise Damaged(what)


def xxh64(data):
    return XXHASH.XXH64(data, len(data), 0)


def decompress(data, size):
    out = ctypes.create_string_buffer(size)
    must(ZSTD.ZSTD_decompress(out, size, data, len(data)) == size, "a frame is no zstd")
    return out.raw


def undo_planes(data, rows, width):
    out = bytearray(len(data))
    for byte in range(width):
        out[byte::width] = data[byte * rows:(byte + 1) * rows]
    return bytes(out)


def undo_delta(data, width):
    values = array.array(CODES[width], data)
    most = (1 << 8 * width) - 1
    return array.array(CODES[width], itertools.accumulate(
        values, lambda a, b: a + b & most)).tobytes()


class Snapshot:
    """sections: by name. column(name) and rows(table) are its values, texts as bytes."""

    def __init__(self, path, texts=True):
        with open(path, "rb") as f:
            self.data = f.read()
        self.minor = self.header()
        self.sections = self.contents()
        self.texts = self.strings() if texts else []

    def header(self):
        must(self.data[:8] == MAGIC, "no snapshot")
        must(len(self.data) >= 48 and self.data[-8:] == END, "cut short")
        major, minor, _zero = struct.unpack_from("<HHI", self.data, 8)
        must(major == MAJOR, f"of format {major}")
        return minor

    def contents(self):
        data = self.data
        offset, length, digest = struct.unpack_from("<QQQ", data, len(data) - 32)
        must(offset >= 16 and offset + length == len(data) - 32, "the footer is damaged")
        must(xxh64(data[:16] + data[offset:offset + length + 16]) == digest,
             "the contents are damaged")
        number, = struct.unpack_from("<I", data, offset)
        at, frames_at, sections = offset + 4, 16, {}
        for _ in range(number):
            section, at = self.entry(at)
            must(section.name not in sections, "a section comes twice")
            if section.frames:
                must(section.offset == frames_at, "frames do not follow each other")
            frames_at += sum(size for size, _ in section.frames)
            sections[section.name] = section
        must(at == offset + length and frames_at == offset, "there are gaps")
        return sections

    def entry(self, at):
        length, = struct.unpack_from("<I", self.data, at)
        name = self.data[at + 4:at + 4 + length].decode()
        at += 4 + length
        width, is_text, encoding, _zero, rows, offset, frame_rows, nframes = \
            struct.unpack_from("<BBBBQQII", self.data, at)
        frames = list(struct.iter_unpack("<IQ", self.data[at + 28:at + 28 + 12 * nframes]))
        must(len(frames) == nframes and width in CODES and encoding < 4 and frame_rows > 0
             and frame_rows * width <= FRAME_MOST and nframes == -(-rows // frame_rows),
             f"section {name} cannot be")
        return (Section(name, width, bool(is_text), encoding, rows, offset, frame_rows, frames),
                at + 28 + 12 * nframes)

    def frame(self, section, number):
        """The values of one frame, as bytes."""
        offset = section.offset + sum(size for size, _ in section.frames[:number])
        size, digest = section.frames[number]
        stored = self.data[offset:offset + size]
        must(xxh64(stored) == digest, f"a frame of {section.name} is damaged")
        rows = min(section.frame_rows, section.rows - number * section.frame_rows)
        data = decompress(stored, rows * section.width)
        if section.encoding & PLANES:
            data = undo_planes(data, rows, section.width)
        return undo_delta(data, section.width) if section.encoding & DELTA else data

    def raw(self, name):
        section = self.sections[name]
        return b"".join(self.frame(section, n) for n in range(len(section.frames)))

    def strings(self):
        ends = array.array("Q", self.raw("strings.end"))
        data = self.raw("strings.bytes")
        must(list(ends) == sorted(ends) and (not ends or ends[-1] == len(data)),
             "the strings are damaged")
        return [data[start:end] for start, end in zip([0, *ends], ends)]

    def column(self, name):
        section = self.sections[name]
        values = array.array(CODES[section.width], self.raw(name))
        return [self.texts[v] for v in values] if section.is_text else values

    def rows(self, table):
        """A dict for each row."""
        names = [n for n in self.sections if n.split(".")[0] == table]
        names = [n for n in names if n != "memory.bytes"]
        columns = [self.column(n) for n in names]
        must(len({len(c) for c in columns}) <= 1, f"the columns of {table} differ in length")
        short = [n.split(".")[1] for n in names]
        return [dict(zip(short, values)) for values in zip(*columns)]

    def memory(self, at, length):
        """Kept bytes of the target, or None; reads the frames that hold them only."""
        section, first = self.sections.get("memory.bytes"), 0
        for start, end, zeroes in zip(*(self.column("memory." + c)
                                        for c in ("start", "end", "zeroes"))):
            if start <= at and at + length <= end:
                if zeroes:
                    return bytes(length)
                first += at - start
                low, high = first // section.frame_rows, (first + length - 1) // section.frame_rows
                data = b"".join(self.frame(section, n) for n in range(low, high + 1))
                first -= low * section.frame_rows
                return data[first:first + length]
            first += 0 if zeroes else end - start
        return None


def main():
    snapshot = Snapshot(sys.argv[1])
    for s in snapshot.sections.values():
        snapshot.raw(s.name)
        print(s.name, s.width, "text" if s.is_text else "number", s.rows,
              "plain delta planes delta+planes".split()[s.encoding], len(s.frames))


if __name__ == "__main__":
    main()
