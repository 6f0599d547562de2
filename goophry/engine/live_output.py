"""Telling others what a run writes, while somebody wants to know: nothing is done otherwise.

Whoever wants to know publishes a `watch` bulletin, again and again; the instance that runs it
answers on a channel of that run. A new watcher (`Fresh`) is told from the beginning; those that
were there know by `At` and `Next`, the bytes before and after a piece, what they have had.
"""

import codecs
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from goophry.clock import Clock
from goophry.engine.outage import Outage
from goophry.engine.running import Run, RunningTasks
from goophry.engine.service import OneThread
from goophry.errors import StoreError
from goophry.outcome import NOTHING, Captured
from goophry.store import keys
from goophry.store.channel import publish
from goophry.store.client import LinkPool

#: Seconds that a bulletin counts; watchers repeat it well before.
LEASE_S: Final = 15.0

#: Seconds between looks at what was written.
LOOK_S: Final = 0.2

#: Bytes of one message.
PIECE: Final = 32_768

#: Runs that are watched at a time here; further wishes are not heard.
MOST: Final = 100

Stream = Literal["stdout", "stderr"]
STREAMS: Final[tuple[Stream, ...]] = ("stdout", "stderr")

_log = logging.getLogger(__name__)


class LiveOutput:
    """Publishes what watched runs write. A `Service`; starts once."""

    def __init__(self, running: RunningTasks, links: LinkPool, *, queue_key: str, outage: Outage, clock: Clock) -> None:
        self._running = running
        self._links = links
        self._queue_key = queue_key
        self._outage = outage
        self._clock = clock
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._woken = threading.Event()
        self._thread = OneThread("goophry-output", self._run)

    def start(self) -> None:
        """Begin to listen to wishes."""
        self._thread.start()

    def stop(self) -> None:
        """Tell no more."""
        self._thread.stopping.set()
        self._woken.set()
        self._thread.stop()

    def watch(self, bulletin: Mapping[str, Any]) -> None:
        """Hear a wish; of runs that are not ours it means nothing. Does not wait."""
        run_id = bulletin.get("Run")
        run = self._running.with_run(run_id) if isinstance(run_id, str) else None
        if run is None:
            return
        with self._lock:
            watched = self._watched.get(run.job.run_id)
            if watched is None:
                if len(self._watched) >= MOST:
                    return
                watched = self._watched[run.job.run_id] = _Watched(run)
            watched.until = self._clock.monotonic() + LEASE_S
            watched.fresh |= bulletin.get("Fresh") is True
            watched.asked = True
        self._woken.set()

    def turn(self) -> bool:
        """Tell what is new; returns whether anything is watched. Raises `StoreError`."""
        with self._lock:
            watched = list(self._watched.items())
        for run_id, each in watched:
            ended = self._running.with_run(run_id) is None
            for message in each.news(ended=ended):
                publish(self._links, keys.output(self._queue_key, run_id), message)
            if ended or self._clock.monotonic() > each.until:
                with self._lock:
                    self._watched.pop(run_id, None)
        return bool(watched)

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            try:
                busy = self.turn()
                self._outage.worked()
            except StoreError as error:
                self._outage.failed(error)
                busy = True
            except Exception:
                _log.exception("The output of a run could not be told", extra={"action": "live_output_failed"})
                busy = True
            if busy:
                self._thread.stopping.wait(LOOK_S)
            else:
                self._woken.wait()
            self._woken.clear()


class _Watched:
    """One run, and how far its watchers have been told."""

    def __init__(self, run: Run) -> None:
        self._interrupt = run.job.interrupt
        self._at: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self._decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in STREAMS}
        self.until = 0.0
        self.fresh = self.asked = False

    def news(self, *, ended: bool) -> Iterator[dict[str, Any]]:
        """Yield what is to be told now."""
        fresh, asked, self.fresh, self.asked = self.fresh, self.asked, False, False
        if asked:  # an answer to every wish, so that watchers know that somebody hears them
            yield {"Here": True}
        written = self._interrupt.written
        for stream in STREAMS:
            captured = NOTHING if written is None else written(stream)
            if fresh and self._at[stream]:
                decoder = codecs.getincrementaldecoder("utf-8")("replace")
                yield from _pieces(stream, captured, 0, self._at[stream], decoder)
            until = max(captured.size, self._at[stream])
            yield from _pieces(stream, captured, self._at[stream], until, self._decoders[stream])
            self._at[stream] = until
        if ended:
            yield {"End": True}


def _pieces(
    stream: Stream, captured: Captured, start: int, end: int, decoder: codecs.IncrementalDecoder
) -> Iterator[dict[str, Any]]:
    """Yield the bytes from `start` to `end`; of those that are not kept any more only the number."""
    head, tail_at = len(captured.head), len(captured.head) + captured.dropped
    at = start
    while at < end:
        dropped = 0
        if at < head:
            piece = captured.head[at : min(head, end, at + PIECE)]
        else:
            dropped = max(0, min(tail_at, end) - at)
            begin = at + dropped - tail_at
            piece = captured.tail[begin : begin + min(PIECE, end - at - dropped)]
        after = at + dropped + len(piece)
        if after == at:
            return
        yield {"Stream": stream, "At": at, "Next": after, "Dropped": dropped, "Text": decoder.decode(piece)}
        at = after
