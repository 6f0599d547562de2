"""Read-only views of what stands in Redis."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from goophry.store import keys
from goophry.store.client import Command, LinkPool
from goophry.store.everywhere import each


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What INFO tells about the server that matters to goophry."""

    version: tuple[int, ...]
    maxmemory_policy: str
    in_cluster: bool = False
    """Whether it is a node of a cluster."""

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


def server_info(links: LinkPool) -> ServerInfo:
    """Ask the server about itself; of a cluster, the oldest version and the most careless policy. Raises `StoreError`."""
    told = [_fields(reply) for reply in each(links, "INFO")]
    versions = [
        tuple(int(part) for part in fields.get("redis_version", "0").split(".") if part.isdigit()) for fields in told
    ]
    policies = [fields.get("maxmemory_policy", "noeviction") for fields in told]
    policy = next((policy for policy in policies if policy != "noeviction"), "noeviction")
    return ServerInfo(min(versions), policy, any(fields.get("cluster_enabled") == "1" for fields in told))


def _fields(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode(errors="replace").splitlines() if ":" in line)


class Views:
    """Lengths of the lists of some types."""

    def __init__(self, links: LinkPool, *, queue_key: str, types: Callable[[], Iterable[str]]) -> None:
        """`types` is asked each time: they come and go."""
        self._links = links
        self._queue_key = queue_key
        self._types = types

    def lengths(self) -> dict[str, dict[str, int]]:
        """Return type → {"waiting", "delayed", "running", "failed"} → entries, over all instances.

        A key that holds another kind of value than it should counts as empty. Raises `StoreError`.
        """
        queues = {name: keys.queue(self._queue_key, name) for name in self._types()}
        owners = self._links.found([("SMEMBERS", keys.instances(q)) for q in queues.values()])
        commands: list[Command] = []
        for q, members in zip(queues.values(), owners, strict=True):
            commands += [("LLEN", q), ("ZCARD", keys.delayed(q)), ("LLEN", keys.failed(q))]
            commands += [("LLEN", keys.running(q, member.decode(errors="replace"))) for member in members or ()]
        replies = iter(self._links.found(commands))
        lengths = {}
        for name, members in zip(queues, owners, strict=True):
            waiting, delayed, failed = (next(replies) or 0 for _ in range(3))
            running = sum(next(replies) or 0 for _ in members or ())
            lengths[name] = {"waiting": waiting, "delayed": delayed, "running": running, "failed": failed}
        return lengths
