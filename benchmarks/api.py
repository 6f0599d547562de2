"""What the API bears, and what the dashboard costs.

    python benchmarks/api.py [--waiters 2000] [--rate 200] [--seconds 10] [--windows 8]

Three questions to one goophry with two workers that run the static no-op program:
how many threads it takes while 2,000 clients wait for one result, and how soon all have it;
how long submissions take at 200 a second while both workers are busy with a full list;
how much slower the drain is while a dashboard is open. For the last one windows with and without a dashboard take
turns within one drain, so that whatever else the machine does falls on both.
"""

import argparse
import http.client
import json
import resource
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import procfs
from harness import BenchmarkError, Workshop, free_port, wait_until, workshop
from report import machine, note, publish

QUEUE = "bench:noop"
MOST_SENDERS = 16
SETTLE_S = 1.0


def main() -> None:
    """Ask all three."""
    options = _options()
    _allow_sockets(options.waiters + 200)
    with workshop() as shop:
        about = machine(shop.client)
        port = free_port()
        tasks = [
            {"Type": "noop", "Script": str(shop.compiled("noop")), "Workers": 2},
            {"Type": "wait", "Script": ["/bin/sleep", "600"], "Workers": 1},
        ]
        with shop.goophry(tasks, ApiInterface=f"127.0.0.1:{port}") as child:
            wait_until(lambda: _answers(port), "the API answers")
            rows = [_waiters(port, child.pid, options.waiters)]
            note("waiters are done")
            submits = _submits(shop, port, rate=options.rate, seconds=options.seconds)
            rows.append(_submit_row(submits, options.rate))
            note("submissions are done")
            rates = _drains(shop, port, windows=options.windows)
            rows.append(_drain_row(rates))
    raw = {"submits_ms": [round(each, 3) for each in submits], "drains": rates}
    publish("api", "The API and the dashboard", rows, about=about, raw=raw)


def _waiters(port: int, pid: int, count: int) -> dict[str, Any]:
    """Have `count` clients wait for one task, then end it."""
    before = procfs.footprint(pid)
    _ask(port, "POST", "/tasks/wait", {"Id": "slow"})
    wait_until(lambda: _ask(port, "GET", "/tasks/slow")["Status"] == "running", "the task runs")
    clients = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(count)]
    try:
        for client in clients:
            client.sendall(b"GET /api/v1/tasks/slow?wait=300 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(3 * SETTLE_S)  # all of them are in, or soon will be
        during = procfs.footprint(pid)
        _ask(port, "DELETE", "/tasks/slow")
        begun = time.monotonic()
        first, answered = _all_answered(clients, count)
        if answered != count:
            raise BenchmarkError(f"{answered} of {count} waiters were answered")
        last = time.monotonic() - begun
    finally:
        for client in clients:
            client.close()
    return {
        "question": f"{count} waiters",
        "answer": f"{during.threads - before.threads:+} threads, {(during.rss_kb - before.rss_kb) / count:.0f} KB each",
        "detail": f"the first answered after {first * 1000:.0f} ms, the last after {last * 1000:.0f} ms",
    }


def _all_answered(clients: list[socket.socket], count: int) -> tuple[float, int]:
    begun, first, answered = time.monotonic(), 0.0, 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        while answered < count and time.monotonic() - begun < 60:
            for key, _ in selector.select(1):
                client = key.fileobj
                if not isinstance(client, socket.socket):
                    continue
                part = client.recv(65536)  # the head may come alone
                if b'"Outcome":"cancelled"' in part:
                    first = first or time.monotonic() - begun
                    answered += 1
                if not part or b'"Outcome"' in part:
                    selector.unregister(client)
    return first, answered


def _submits(shop: Workshop, port: int, *, rate: int, seconds: float) -> list[float]:
    """Submit at an even pace while the workers are busy; returns how long each took from its moment on, in ms."""
    shop.fill(QUEUE, int(8000 * (seconds + 5)))
    count, took, lock = int(rate * seconds), list[float](), threading.Lock()
    start = time.monotonic() + 0.5
    numbers = iter(range(count))

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                connection.close()
                return
            due = start + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            connection.request("POST", "/api/v1/tasks/noop", b'{"Args":["x"]}', {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            if reply.status != http.client.ACCEPTED:
                raise BenchmarkError(f"a submission was answered with {reply.status}")
            # From when it was due: a server that is behind shows in every one after it.
            with lock:
                took.append((time.monotonic() - due) * 1000)

    senders = [threading.Thread(target=send) for _ in range(MOST_SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if len(took) != count:
        raise BenchmarkError(f"{len(took)} of {count} submissions were answered")
    if not shop.client.llen(QUEUE):
        raise BenchmarkError("the workers ran out of work meanwhile")
    shop.client.delete(QUEUE)
    return took


def _submit_row(took: list[float], rate: int) -> dict[str, Any]:
    cuts = statistics.quantiles(took, n=1000)
    return {
        "question": f"{rate} submissions a second, workers busy",
        "answer": f"p50 {cuts[499]:.1f} ms, p99 {cuts[989]:.1f} ms",
        "detail": f"p99.9 {cuts[998]:.1f} ms, the longest {max(took):.1f} ms",
    }


def _drains(shop: Workshop, port: int, *, windows: int) -> dict[str, list[float]]:
    """Measure tasks a second in windows without and with a dashboard, in turns."""
    shop.fill(QUEUE, 400_000)
    rates: dict[str, list[float]] = {"without": [], "with": []}
    time.sleep(SETTLE_S)
    for number in range(windows):
        # without, with, with, without, …: what drifts falls on both alike
        name = ("without", "with", "with", "without")[number % 4]
        if name == "with":
            with _dashboard(port):
                rates[name].append(_rate(shop))
        else:
            rates[name].append(_rate(shop))
    shop.client.delete(QUEUE)
    return rates


def _rate(shop: Workshop, window_s: float = 6.0) -> float:
    time.sleep(SETTLE_S)
    before, begun = int(shop.client.llen(QUEUE)), time.monotonic()
    time.sleep(window_s)
    after, over = int(shop.client.llen(QUEUE)), time.monotonic()
    if not after:
        raise BenchmarkError("the list ran empty, give --windows fewer")
    return (before - after) / (over - begun)


def _drain_row(rates: dict[str, list[float]]) -> dict[str, Any]:
    without, with_ = statistics.median(rates["without"]), statistics.median(rates["with"])
    return {
        "question": "drain with a dashboard open",
        "answer": f"{with_ / without * 100 - 100:+.1f} %",
        "detail": f"{with_:.0f} instead of {without:.0f} tasks a second",
    }


@contextmanager
def _dashboard(port: int) -> Iterator[None]:
    """Do what an open overview does: the live numbers, the plots now and then, and the running page's questions."""
    over = threading.Event()
    stream = socket.create_connection(("127.0.0.1", port), 30)
    stream.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def read() -> None:
        stream.settimeout(0.5)
        while not over.is_set():
            try:
                stream.recv(1 << 20)
            except TimeoutError:
                continue

    def ask() -> None:
        while True:
            _ask(port, "GET", "/plots")
            _ask(port, "GET", "/running")
            if over.wait(2):
                return

    threads = [threading.Thread(target=read), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        stream.close()


def _ask(port: int, method: str, path: str, body: object = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _answers(port: int) -> bool:
    try:
        return "Types" in _ask(port, "GET", "/overview")
    except OSError:
        return False


def _allow_sockets(count: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"{count} open files are needed, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiters", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--windows", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    main()
