"""goophry's own troubles. A task that fails is no error: it is an `Outcome`."""


class GoophryError(Exception):
    """The root: catch it to catch everything that goophry raises on purpose."""


class ConfigError(GoophryError):
    """The configuration cannot be used; `problems` holds one sentence for each thing wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InvalidCron(GoophryError):
    """A cron expression cannot be used; the message says which field and why."""


class UnreadableEntry(GoophryError):
    """An entry in a list is not a task entry; the message says why."""


class StoreError(GoophryError):
    """Redis did not do what was asked; the entry in hand is kept and the step tried again."""


class StoreUnavailable(StoreError):
    """Redis cannot be reached, or answers that it cannot serve now (LOADING, READONLY)."""


class StoreFull(StoreError):
    """Redis is at its maxmemory: it reads and removes, but stores nothing. What was asked was not done."""


class StoreRefused(StoreError):
    """Redis was reached and said no for good: wrong password, too old, wrong type of key."""


class StoreWrongKind(StoreRefused):
    """A key holds another kind of value than it should."""


class StoreCrossSlot(StoreRefused):
    """The keys of one step are on different servers of a cluster."""


class AmbiguousKey(GoophryError):
    """Several entries can be meant by a key."""


class BadCursor(GoophryError):
    """A cursor is none that was given with a page."""


class StartError(GoophryError):
    """goophry cannot start: a port is taken, a certificate cannot be read."""
