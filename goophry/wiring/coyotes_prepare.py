"""The list into which clients of Coyotes push without HTTP, emptied into the channels; and the eye on the channels."""

import logging
import uuid
from collections.abc import Callable
from typing import Final

from goophry.clock import Clock
from goophry.config_doors import CoyotesDoor
from goophry.doors.coyotes import CoyotesDesk, put_off
from goophry.doors.coyotes_prepare import PREPARE_QUEUE, BadEntry, Prepared, read_entry
from goophry.doors.coyotes_task import CoyotesTask
from goophry.engine.outage import Outage
from goophry.engine.service import OneThread
from goophry.entry import MAX_SECONDS
from goophry.errors import StartError, StoreError
from goophry.store.client import ANSWER_TIMEOUT_S, LinkPool, RedisServer
from goophry.store.coyotes import WAIT_S, CoyotesStore, PrepareList
from goophry.submission import InvalidSubmission, UnknownType
from goophry.wiring.coyotes_channels import ChannelKeeper

#: Seconds between looks at the channels, and after trouble with Redis.
LOOK_S: Final = 1.0

#: Seconds between looks for instances that died with something in hand.
RECOVER_S: Final = 5.0

_log = logging.getLogger(__name__)


class CoyotesService:
    """A Service, which starts once."""

    def __init__(
        self,
        prepare: PrepareList,
        desk: CoyotesDesk,
        store: CoyotesStore,
        keeper: ChannelKeeper,
        *,
        delay_in_channel: bool,
        is_dead: Callable[[str], bool],
        outage: Outage,
        clock: Clock,
    ) -> None:
        self._prepare = prepare
        self._desk = desk
        self._store = store
        self._keeper = keeper
        self._delay_in_channel = delay_in_channel
        self._is_dead = is_dead
        self._outage = outage
        self._clock = clock
        self._looked_at = self._recovered_at = float("-inf")
        self._thread = OneThread("goophry-coyotes", self._run)

    def start(self) -> None:
        """Serve the channels, then begin. Raises `StartError`."""
        if self._thread.started:
            return self._thread.start()
        try:
            self._keeper.begin()
        except StoreError as error:
            raise StartError(f"Doors.Coyotes: the channels cannot be read: {error}") from error
        return self._thread.start()

    def stop(self) -> None:
        """Take nothing more from the list."""
        self._thread.stop()
        self._prepare.close()

    def turn(self) -> None:
        """Look after the channels if it is time, then wait for an entry and put it in. Raises `StoreError`."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._keeper.turn()
            self._looked_at = now
        if now - self._recovered_at >= RECOVER_S:
            # Also what is in this hand: an entry that Redis was away for.
            for raw in self._prepare.in_hand():
                self._put_in(raw)
            self._prepare.recover(is_dead=self._is_dead)
            self._recovered_at = now
        taken = self._prepare.take()
        if taken is not None:
            self._put_in(taken)

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            try:
                self.turn()
            except StoreError as error:
                self._outage.failed(error)
                self._looked_at = self._recovered_at = float("-inf")
                self._thread.stopping.wait(LOOK_S)
            except Exception:
                _log.exception("The prepare list could not be looked after", extra={"action": "coyotes"})
                self._thread.stopping.wait(LOOK_S)
            else:
                self._outage.worked()

    def _put_in(self, raw: bytes) -> None:
        try:
            self._push(read_entry(raw))
        except (BadEntry, InvalidSubmission, UnknownType) as error:
            self._store.drop(raw, reason=str(error), now=self._clock.now())
            _log.error("An entry of the prepare list is no task: %s", error, extra={"action": "coyotes_dropped"})
        self._prepare.done(raw)

    def _push(self, asked: Prepared) -> None:
        now = self._clock.now()
        at_s, shown = asked.due_at(now)
        task = CoyotesTask(asked.id or str(uuid.uuid4()), asked.task, asked.chan, asked.command, asked.args)
        if at_s is not None:
            at_s = min(at_s, float(MAX_SECONDS))
            in_channel = self._delay_in_channel and asked.chan in self._desk.channels()
            task = put_off(task, at_s, in_channel=in_channel, shown=shown)
        elif asked.chan not in self._desk.channels():
            raise BadEntry(f"there is no channel {asked.chan!r}")
        self._desk.push(task, at_s=at_s)


def prepare_list(
    door: CoyotesDoor, server: RedisServer, links: LinkPool, *, queue_key: str, instance: str
) -> PrepareList:
    """Return the list of a door's clients."""
    prefix = f"{door.biz_name.replace(' ', '-')}:" if door.biz_name else ""
    link = server.link(timeout_s=WAIT_S + ANSWER_TIMEOUT_S)
    return PrepareList(link, links, name=prefix + PREPARE_QUEUE, queue_key=queue_key, instance=instance)
