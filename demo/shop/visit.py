# SPDX-License-Identifier: Apache-2.0
"""visit.py PORT: visitors of the shop. A line on standard input asks what they saw since the
last one: requests, the slowest in microseconds."""
import http.client
import itertools
import os
import select
import sys
import time

port = int(sys.argv[1])
requests, slowest = 0, 0.0
for visit in itertools.count():
    number = visit % 50 + 1
    path = f"/order/{number}/" if visit % 10 == 9 else f"/product/{number}/?utm_id={visit:08x}"
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"User-Agent": f"visitor {visit}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    slowest = max(slowest, time.monotonic() - began)
    if answer.status != 200:
        sys.exit(f"visit: {path}: {answer.status}")
    requests += 1
    if select.select([0], [], [], 0)[0]:
        if not os.read(0, 100):
            break
        print(requests, int(slowest * 1e6), flush=True)
        requests, slowest = 0, 0.0
