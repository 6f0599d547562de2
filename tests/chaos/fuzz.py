"""Rubbish: as entries in the queue, and as requests to the stats server."""

import contextlib
import http.client
import json
import random
import socket
import time
from pathlib import Path
from typing import Any, Final

from chaos.fleet import KEY, Fleet
from chaos.invariants import Row
from conftest import eventually, free_port

from goophry.entry import KNOWN_KEYS

_WORDS: Final = ("", "a", "é\n", "-rf", "$(reboot)", "\0", "x" * 5000, "\ud800", "../..", "1e400", "{}", "\u2028")


def fuzz_entries(folder: Path, *, seed: int, tasks: int) -> Row:
    """Push rubbish and near-entries: goophry lives, and each ends in exactly one of run and failed list."""
    row = Row("fuzz entries")
    with Fleet(folder, seed=seed) as fleet:
        script = folder / "count"
        script.write_text(f'#!/bin/sh\necho "$GOOPHRY_RUN" >> "{folder}/ran"\n')
        script.chmod(0o755)
        fleet.configure({"Type": "t", "Script": str(script), "Workers": 4}, FailedTasksTTL=86400)
        fleet.start(0)
        pushed = [_rubbish(fleet.random) for _ in range(tasks)]
        for start in range(0, tasks, 500):
            fleet.client.rpush(f"{KEY}:t", *pushed[start : start + 500])
        fleet.drain(within=60 + tasks / 50)
        ran = (folder / "ran").read_text().split() if (folder / "ran").exists() else []
        failed = fleet.failed()
        row.tasks = tasks
        row.lost = max(0, tasks - len(ran) - len(failed))
        row.duplicates = max(0, len(ran) + len(failed) - tasks)
        row.require(len(ran) + len(failed) == tasks, f"{len(ran)} ran + {len(failed)} failed ≠ {tasks}")
        row.require(len(set(ran)) == len(ran), "a GOOPHRY_RUN was used twice")
        row.require(all(_message(raw) for raw in failed), "a failed entry says nothing")
        row.require(fleet.alive(), "goophry ended")
        row.require(fleet.members[0].stop() == 0, "it did not stop with exit status 0")
        row.require(not fleet.faults(), f"goophry's own faults in the log: {fleet.faults()[:2]}")
        row.note = f"{len(ran)} ran, {len(failed)} in the failed list"
    return row


def fuzz_stats(folder: Path, *, seed: int, requests: int) -> Row:
    """Send rubbish over raw sockets: the server answers or closes, and goes on answering real requests."""
    row = Row("fuzz stats server")
    with Fleet(folder, seed=seed) as fleet:
        port = free_port()
        fleet.configure(fleet.record_type(), StatsInterface=f"127.0.0.1:{port}")
        member = fleet.start(0)
        eventually(lambda: _page(port) == 200, what="the stats page answers")
        before = _descriptors(member.pid)
        left: list[socket.socket] = []
        for _ in range(requests):
            left += _knock(fleet.random, port)
        row.require(_page(port) == 200, "the page does not answer beside idle connections")
        for connection in left:
            connection.close()
        row.outage_s = _slowest_page_s(port)
        row.require(row.outage_s < 5, f"a page took {row.outage_s:.1f} s")
        eventually(lambda: _descriptors(member.pid) <= before + 2, what="the connections are gone")
        fleet.push(50)
        fleet.drain()
        row.require(fleet.alive(), "goophry ended")
        row.require(not fleet.faults(), f"goophry's own faults in the log: {fleet.faults()[:2]}")
        row.tasks, row.lost = 50, 50 - len(fleet.recorder.runs())
        row.note = f"{requests} connections"
    return row


def _message(raw: bytes) -> str:
    # Arguments that are not UTF-8 are in the failed list as they came.
    return str(json.loads(raw.decode(errors="surrogateescape"))["ErrorMessage"])


def _rubbish(dice: random.Random) -> bytes:
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.choice((0, 1, 3, 40, 2000)))
    if kind == 1:
        return json.dumps(_value(dice, 3)).encode()
    if kind == 2:
        return ("[" * dice.choice((1, 400, 60_000)) + "]" * dice.choice((0, 400))).encode()
    fields = {_case(dice, key): _value(dice, 2) for key in dice.sample(sorted(KNOWN_KEYS.values()), dice.randint(0, 3))}
    if dice.random() < 0.7:
        fields["Args"] = [dice.choice(_WORDS) for _ in range(dice.randint(0, 4))]
    # A Timeout near zero would end a run that has perhaps told of itself already.
    if isinstance(fields.get("Timeout"), int | float) and not isinstance(fields["Timeout"], bool):
        fields["Timeout"] = 300
    text = json.dumps(fields, ensure_ascii=dice.random() < 0.5).encode(errors="surrogatepass")
    if kind == 3 and text:
        at = dice.randrange(len(text))
        return text[:at] + dice.randbytes(1) + text[at + 1 :]
    return text


def _value(dice: random.Random, depth: int) -> Any:
    if depth and dice.random() < 0.4:
        items = [_value(dice, depth - 1) for _ in range(dice.randint(0, 3))]
        return items if dice.random() < 0.5 else {dice.choice(_WORDS): item for item in items}
    return dice.choice((None, True, 0, -1, 2**70, 1e300, *_WORDS))


def _case(dice: random.Random, key: str) -> str:
    return dice.choice((key, key.lower(), key.upper(), key + "s"))


def _knock(dice: random.Random, port: int) -> list[socket.socket]:
    """Open a connection, send something, and perhaps leave it open."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=2)
    line = dice.choice((b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"GET /\x00 HTTP/9.9\r\n", b""))
    field = dice.choice((b"Host: a\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"A" * 70_000))
    rubbish = dice.randbytes(dice.choice((0, 4, 300))) + dice.choice((b"\r\n\r\n", b""))
    stays, listens = dice.random() < 0.3, dice.random() < 0.5
    # The server may close at any byte.
    with contextlib.suppress(OSError):
        connection.sendall(line + field + rubbish)
        if listens:
            connection.settimeout(0.05)
            connection.recv(100)
    if stays:
        return [connection]
    connection.close()
    return []


def _page(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _slowest_page_s(port: int) -> float:
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        _page(port)
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
