"""All that stands in Redis below a RedisQueueKey, as JSON that people can read; put back elsewhere; and its shape alone."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import redis

RELEASES: Final = Path(__file__).parents[1] / "golden" / "releases"

#: What the RedisQueueKey is called in a recording.
KEY: Final = "golden"

Dump = Mapping[str, Mapping[str, Any]]
"""Key → `Type`, `Value`, and `Expires`: seconds that it had left, null = no end."""

_MARK: Final = "\t\r"
_INSTANCE: Final = re.compile(r"[\w.-]+-\d+-[0-9a-f]{8}-[0-9a-f]{6}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOCAL: Final = re.compile(r"/[\w./-]*/(?=bin/|site/)|127\.0\.0\.1:\d+")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?")
_MOMENT: Final = re.compile(r"\b[1-9]\d{9,}(\.\d+)?\b")


def recorded() -> list[Path]:
    """Return the recordings of all releases."""
    return sorted(RELEASES.glob("*/redis.json"))


def read(path: Path) -> Dump:
    """Return a recording."""
    found: Dump = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(path: Path, dump: Dump) -> None:
    """Keep a recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dump, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def dump_all(client: "redis.Redis[bytes]") -> Dump:
    """Return all that there is below `KEY`."""
    found = {}
    for pattern in (f"{KEY}:*", f"{{{KEY}:*"):
        for name in client.scan_iter(pattern, count=1000):
            kind, ttl_s = client.type(name).decode(), client.ttl(name)
            found[_text(name)] = {
                "Type": kind,
                "Expires": None if ttl_s < 0 else ttl_s,
                "Value": _READ[kind](client, name),
            }
    return found


def load(client: "redis.Redis[bytes]", dump: Dump, *, key: str, boot: str) -> None:
    """Put a recording below `key`, as if its instances had run on this machine (see `Presence.boot`) and were killed."""
    boots = {json.loads(about["Value"])["Boot"] for name, about in dump.items() if ":instance:" in name}
    for name, about in dump.items():
        value = about["Value"]
        for recorded_boot in boots if isinstance(value, str) else ():
            value = value.replace(recorded_boot, boot)
        where = name.replace(KEY, key, 1)
        _WRITE[about["Type"]](client, where, value)
        if about["Expires"] is not None:
            client.expire(where, max(10, about["Expires"]))


def shape(dump: Dump) -> dict[str, list[Any]]:
    """Return a recording without what differs from one to the next: moments, names of instances, counts of steps."""
    found: dict[str, list[Any]] = {}
    for name, about in dump.items():
        found.setdefault(_plain(name), []).append(_shape_of(name, about))
    # Of keys that differ in an Id only, which is another one each time, any order will do.
    return {name: sorted(shapes, key=json.dumps) for name, shapes in found.items()}


def _shape_of(name: str, about: Mapping[str, Any]) -> Any:
    told = {"Type": about["Type"], "Expires": about["Expires"] is not None}
    value = about["Value"]
    if ":step:" in name:
        return told | {"Value": "<number>"}
    if ":instance:" in name or name.endswith(":holder"):
        return told | {"Value": _kinds(json.loads(value))}
    if about["Type"] == "hash":
        return told | {"Value": {_plain(field): _of_text(text) for field, text in value.items()}}
    if about["Type"] == "zset":
        return told | {"Value": [[_of_text(member), _of_json(score)] for member, score in value]}
    return told | {"Value": _of_text(value) if isinstance(value, str) else [_of_text(each) for each in value]}


def _of_text(text: str) -> Any:
    marks = len(text) - len(text.lstrip(_MARK))
    try:
        value = json.loads(text)
    except ValueError:
        return _plain(text)
    return [text[:marks], _of_json(value)] if isinstance(value, dict | list) else _of_json(value)


def _of_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _of_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_of_json(each) for each in value]
    if isinstance(value, str):
        return _plain(value)
    return "<moment>" if isinstance(value, int | float) and value >= 1_000_000_000 else value


def _plain(text: str) -> str:
    for pattern, name in (
        (_INSTANCE, "<instance>"),
        (_UUID, "<uuid>"),
        (_LOCAL, "<here>"),
        (_ISO, "<time>"),
        (_MOMENT, "<moment>"),
    ):
        text = pattern.sub(name, text)
    return text


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kinds(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(_kinds(each), sort_keys=True) for each in value})
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _raw(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _pairs(found: Mapping[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in found.items()}


def _each(found: Iterator[bytes] | list[bytes]) -> list[str]:
    return [_text(raw) for raw in found]


_READ: Final[Mapping[str, Callable[[Any, bytes], Any]]] = {
    "string": lambda client, name: _text(client.get(name)),
    "list": lambda client, name: _each(client.lrange(name, 0, -1)),
    "set": lambda client, name: sorted(_each(client.smembers(name))),
    "hash": lambda client, name: _pairs(client.hgetall(name)),
    "zset": lambda client, name: [[_text(raw), score] for raw, score in client.zrange(name, 0, -1, withscores=True)],
}

_WRITE: Final[Mapping[str, Callable[[Any, str, Any], Any]]] = {
    "string": lambda client, name, value: client.set(name, _raw(value)),
    "list": lambda client, name, value: client.rpush(name, *map(_raw, value)),
    "set": lambda client, name, value: client.sadd(name, *map(_raw, value)),
    "hash": lambda client, name, value: client.hset(name, mapping={_raw(k): _raw(v) for k, v in value.items()}),
    "zset": lambda client, name, value: client.zadd(name, {_raw(member): score for member, score in value}),
}
