# SPDX-License-Identifier: Apache-2.0
"""Real programs, each at work in a folder of its own, and gone when the test is over."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "support")]
HEAPSIFT = Path(os.environ.get("HEAPSIFT") or ROOT / "build" / "heapsift").resolve()
REDIS = Path(os.environ.get("APPS_REDIS") or "redis-server")
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class App:
    """A process to look into (`pid`), and how to see that it is well."""

    def __init__(self, name, pid, ask):
        self.name, self.pid = name, pid
        self.ask = ask  # a question that it answers the same way each time
        self.children = self.children_now()

    def children_now(self):
        found = set()
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            found |= set((task / "children").read_text().split())
        return found

    def status(self, name):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return re.search(rf"^{name}:\s*(.*)$", text, re.M)[1]


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if (answer := condition()):
                return answer
        assert time.monotonic() < end, "it never came up"
        time.sleep(0.05)


@contextlib.contextmanager
def running(argv, **popen):
    popen.setdefault("stdout", subprocess.DEVNULL)
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE,
                               start_new_session=True, **popen)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Load:
    """Calls `work` again and again beside the test; what it raises is the test's failure."""

    def __init__(self, work):
        self.work, self.rounds, self.error = work, 0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.ended.is_set():
                self.work()
                self.rounds += 1
        except Exception as e:  # told by __exit__
            self.error = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.error:
            raise self.error


class Session:
    """One connection to PostgreSQL, and so one backend process."""

    def __init__(self, argv, **popen):
        self.process = subprocess.Popen([*argv, "-qAtX"], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, **popen)

    def ask(self, query):
        self.process.stdin.write(query + ";\n\\echo <>\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()) != "<>\n":
            assert line, f"the session ended after {lines}"
            lines.append(line.rstrip("\n"))
        return lines

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


TABLE = """
CREATE TABLE orders AS SELECT n, md5(n::text) AS customer, n % 997 AS town,
  repeat('x', n % 200) AS note FROM generate_series(1, 100000) n;
CREATE INDEX ON orders (customer); ANALYZE orders;
SET plan_cache_mode = force_generic_plan
"""
QUESTION = """SELECT count(*), sum(length(a.note)) FROM orders a JOIN orders b
  ON a.customer = b.customer WHERE b.town < 500"""


@pytest.fixture
def postgres(tmp_path):
    """A backend with tables, prepared statements and a cursor over a large hash join."""
    assert POSTGRES, "PostgreSQL is not installed"
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = tmp_path / "postgres"
    folder.mkdir()
    for place in (folder, *folder.parents[:-1]):  # pytest's are the caller's alone
        if place.owner() != "root" or place == folder or "pytest" in str(place):
            place.chmod(0o755)
    if user:
        subprocess.run(["chown", "postgres", folder], check=True)
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([*user, POSTGRES[-1] / "initdb", "-D", data, "-A", "trust", "-N"],
                   check=True, **quiet)
    argv = [*user, "psql", "-h", folder, "-d", "postgres"]
    with running([*user, POSTGRES[-1] / "postgres", "-D", data, "-k", folder, "-h", "",
                  "-c", "fsync=off"], stderr=open(folder / "log", "w"), cwd=folder):
        wait_until(lambda: subprocess.run([*argv, "-c", "SELECT 1"], capture_output=True,
                                          cwd=folder).returncode == 0)
        session, other = Session(argv, cwd=folder), Session(argv, cwd=folder)
        session.ask(TABLE)
        for n in range(500):
            session.ask(f"PREPARE p{n}(text) AS SELECT note, {n} FROM orders "
                        "WHERE customer = $1")
            session.ask(f"EXECUTE p{n}('{n}')")
        session.ask("BEGIN; DECLARE c CURSOR FOR SELECT * FROM orders a JOIN orders b "
                    "USING (customer) ORDER BY a.note; FETCH 10 FROM c")
        app = App("PostgreSQL", int(session.ask("SELECT pg_backend_pid()")[0]),
                  lambda: session.ask(QUESTION))
        app.load = lambda: other.ask(QUESTION)
        yield app
        assert "PANIC" not in (folder / "log").read_text()
        session.close()
        other.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        words = [str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def answer(self):
        line = self.file.readline()
        assert line and not line.startswith(b"-"), line
        if line.startswith(b"$"):
            size = int(line[1:])
            return self.file.read(size + 2)[:-2].decode() if size >= 0 else None
        return line[1:-2].decode()

    def ask(self, *words):
        self.send(*words)
        return self.answer()

    def info(self, name):
        return int(re.search(rf"^{name}:(\d+)", self.ask("INFO", "memory"), re.M)[1])

    def close(self):
        self.file.close()
        self.socket.close()


@contextlib.contextmanager
def redis_at_work(folder, program):
    path = folder / "redis.sock"
    with running([program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder,
                  "--activedefrag", "no"]) as process:
        wait_until(lambda: path.exists() and Redis(path).ask("PING") == "PONG")
        redis = Redis(path)
        for n in range(0, 100000, 1000):
            for k in range(n, n + 1000):
                redis.send("SET", f"session:{k}", "v" * (k % 700))
            for k in range(n, n + 1000):
                assert redis.answer() == "OK"
        for n in range(0, 100000, 3):
            redis.send("DEL", f"session:{n}")
        for n in range(0, 100000, 3):
            assert redis.answer() == "1"
        for n in range(20000):
            redis.send("HSET", f"user:{n % 500}", f"field{n}", n)
        for n in range(20000):
            redis.answer()
        app = App("redis", process.pid, lambda: [redis.ask("DBSIZE"), redis.ask("GET", "session:7001")])
        app.redis, other = redis, Redis(path)
        app.load = lambda: [other.ask("GET", f"session:{n}") for n in range(100)]
        yield app
        redis.close()
        other.close()


@pytest.fixture
def redis(tmp_path):
    """A server whose malloc is libc's."""
    with redis_at_work(tmp_path, REDIS) as app:
        yield app


NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 256; }}
http {{ access_log {folder}/access; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; gzip on; gzip_types *; }} }}
"""


@pytest.fixture
def nginx(tmp_path):
    """A worker that packs pages for clients which come and go."""
    port, www = free_port(), tmp_path / "www"
    www.mkdir()
    (www / "page").write_bytes(b"page " * 40000)
    (tmp_path / "conf").write_text(NGINX.format(folder=tmp_path, port=port))
    for place in (tmp_path, *tmp_path.parents):  # its worker is another user
        if "pytest" in str(place):
            place.chmod(0o755)

    def get():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/page",
                                         headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, len(answer.read()) > 100
    with running(["nginx", "-c", tmp_path / "conf", "-p", tmp_path],
                 stderr=subprocess.DEVNULL) as process:
        wait_until(get)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        app = App("nginx", int(children.read_text().split()[0]), get)
        app.load = get
        yield app
        assert "[alert]" not in (tmp_path / "log").read_text()


RUBY = r"""
Order = Struct.new(:id, :customer, :lines)
KEPT = (1..60_000).map { |n| Order.new(n, "customer #{n}" * 3, [n] * (n % 9)) }
INDEX = KEPT.to_h { |o| [o.customer, o] }
dropped = (1..200_000).map { |n| "x" * (n % 500) }
dropped = nil
workers = 3.times.map { Thread.new { loop { "busy" * 100; sleep 0.001 } } }
puts "ready"
STDOUT.flush
while STDIN.gets
  puts "#{KEPT.sum(&:id)} #{INDEX.size} #{workers.all?(&:alive?)}"
  STDOUT.flush
end
"""


@pytest.fixture
def ruby():
    """An interpreter with objects of its own on a heap of glibc's, and threads."""
    with running(["ruby", "-e", RUBY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"

        def ask():
            process.stdin.write("?\n")
            process.stdin.flush()
            return process.stdout.readline()
        app = App("Ruby", process.pid, ask)
        app.load = lambda: time.sleep(0.01)
        yield app
