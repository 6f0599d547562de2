"""A goophry of a release to come, which says more everywhere than this one understands; run as goophry is."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import goophry
from goophry.cli.main import main
from goophry.engine import putting_off
from goophry.record import TaskRecord
from goophry.store import keys
from goophry.store.channel import publish
from goophry.store.leases import Leases

#: What it adds to notes, records and heartbeats.
FUTURE: Final = {"Future": {"Of": ["what", 1, None]}}


def _with(raw: bytes, *path: str) -> bytes:
    value = json.loads(raw)
    inner = value
    for name in path:
        inner = inner[name]
    inner.update(FUTURE)
    return json.dumps(value, separators=(",", ":")).encode()


def _beating(beat: Callable[[Leases, Mapping[str, Any]], bool]) -> Callable[[Leases, Mapping[str, Any]], bool]:
    def beat_more(leases: Leases, about: Mapping[str, Any]) -> bool:
        publish(leases._links, keys.events(leases._queue_key), {"Event": "future", "Type": 7})
        running = [{**run, **FUTURE} for run in about["Running"]]
        return beat(leases, {**about, **FUTURE, "Running": running})

    return beat_more


if __name__ == "__main__":
    goophry.__version__ = "9.0.0"
    put_off, to_json = putting_off.put_off, TaskRecord.to_json
    putting_off.put_off = lambda *args, **keys: _with(put_off(*args, **keys), "Goophry")
    TaskRecord.to_json = lambda record: _with(to_json(record))  # type: ignore[method-assign]
    Leases.beat = _beating(Leases.beat)  # type: ignore[method-assign]
    sys.exit(main())
