"""The history of runs in an SQL database, as Coyotes keeps it in MySQL: the extra `history`.

A run is noted in Redis together with its end, and goes from there into the database: one that is away
for a while, or a goophry that is killed, costs no row.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from goophry.clock import Clock
from goophry.engine.service import OneThread
from goophry.errors import StartError, StoreError
from goophry.store.coyotes import CoyotesStore

#: Rows that are written at a time.
BATCH: Final = 100

#: Seconds between looks for rows, after trouble, and between removals of old ones.
LOOK_S: Final = 0.5
AGAIN_S: Final = 5.0
REMOVE_S: Final = 300.0

#: Characters that the columns of Coyotes' table have room for.
_ROOM: Final = 255

_log = logging.getLogger(__name__)


def table(metadata: sql.MetaData) -> sql.Table:
    """Return Coyotes' table, with two columns more; in one that Coyotes made, those stay away."""
    return sql.Table(
        "histories",
        metadata,
        sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
        sql.Column("biz_name", sql.String(100)),
        sql.Column("task_name", sql.String(_ROOM)),
        sql.Column("command", sql.String(_ROOM)),
        sql.Column("channel", sql.String(_ROOM)),
        sql.Column("status", sql.SmallInteger),
        sql.Column("retry_cnt", sql.Integer),
        sql.Column("stdout", sql.Text),
        sql.Column("stderr", sql.Text),
        sql.Column("execute_at", sql.DateTime, nullable=True),
        sql.Column("failed_at", sql.DateTime, nullable=True),
        sql.Column("created_at", sql.DateTime, nullable=True),
        sql.Column("task_id", sql.String(_ROOM)),
        sql.Column("exit_code", sql.Integer, nullable=True),
        mysql_charset="utf8mb4",
    )


class HistoryWriter:
    """Moves rows from Redis into the database. A Service, which starts once."""

    def __init__(self, url: str, store: CoyotesStore, *, biz_name: str, keep_days: int, clock: Clock) -> None:
        """Rows of `biz_name` that are older than `keep_days` are removed; 0 = none are."""
        self._url = url
        self._store = store
        self._biz_name = biz_name
        self._keep_days = keep_days
        self._clock = clock
        self._engine: sql.Engine | None = None
        self._table = table(sql.MetaData())
        self._columns: frozenset[str] = frozenset()
        self._removed_at = float("-inf")
        self._away = False
        self._thread = OneThread("goophry-history", self._run)

    def start(self) -> None:
        """Connect, make the table if it is missing, and begin. Raises `StartError`."""
        if not self._thread.started:
            try:
                self._engine = sql.create_engine(self._url, pool_pre_ping=True)
                self._table.metadata.create_all(self._engine)
                self._columns = frozenset(each["name"] for each in sql.inspect(self._engine).get_columns("histories"))
            except (SQLAlchemyError, ImportError) as error:
                raise StartError(f"Doors.Coyotes.HistoryUrl: {_without_url(error)}") from error
        self._thread.start()

    def stop(self) -> None:
        """Write what there is, and end."""
        self._thread.stop()
        if self._engine is not None:
            self._engine.dispose()

    def turn(self) -> int:
        """Write some rows, and remove old ones if it is time; returns how many were written.

        Raises `StoreError` and `SQLAlchemyError`.
        """
        rows = self._store.history(BATCH)
        if rows and self._engine is not None:
            with self._engine.begin() as connection:
                connection.execute(sql.insert(self._table), [self._row(raw) for raw in rows])
            self._store.forget_history(len(rows))
        self._remove_old()
        return len(rows)

    def _run(self) -> None:
        while True:
            stopping = self._thread.stopping.is_set()
            try:
                written = self.turn()
            except (StoreError, SQLAlchemyError) as error:
                if not self._away:
                    _log.error("History waits: %s", _without_url(error), extra={"action": "history"})
                self._away, written = True, 0
            except Exception:
                _log.exception("History could not be written", extra={"action": "history"})
                self._away, written = True, 0
            else:
                self._away = False
            if stopping and not written:
                return
            if not written:
                self._thread.stopping.wait(AGAIN_S if self._away else LOOK_S)

    def _row(self, raw: bytes) -> Mapping[str, Any]:
        value: Any = json.loads(raw.decode(errors="replace"))
        for key in ("execute_at", "failed_at", "created_at"):
            value[key] = None if value[key] is None else datetime.fromtimestamp(value[key])  # noqa: DTZ006 - as Coyotes
        for key in ("task_name", "command", "channel", "task_id"):
            value[key] = value[key][:_ROOM]
        value["biz_name"] = self._biz_name[:100]
        return {key: item for key, item in value.items() if key in self._columns}

    def _remove_old(self) -> None:
        now = self._clock.monotonic()
        if not self._keep_days or now - self._removed_at < REMOVE_S or self._engine is None:
            return
        before = datetime.fromtimestamp(self._clock.now()) - timedelta(days=self._keep_days)  # noqa: DTZ006 - as Coyotes
        columns = self._table.c
        condition = columns.created_at < before
        if "biz_name" in self._columns:
            condition &= columns.biz_name == self._biz_name
        with self._engine.begin() as connection:
            connection.execute(sql.delete(self._table).where(condition))
        self._removed_at = now


def _without_url(error: Exception) -> str:
    """Return the first line of an error: further ones may show statements and their values."""
    lines: Sequence[str] = str(error).splitlines() or [type(error).__name__]
    return lines[0]
