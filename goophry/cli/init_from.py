"""`goophry init --from-…`: the configuration that does what another daemon's did."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.configuration import DEFAULT_NAME

#: Flags of Coyotes that take no value of their own.
_BOOLEANS: Final = {"task-mode", "debug", "colorful-tty", "daemonize", "update-auto"}
_TEXTS: Final = {
    *("biz-name", "redis-host", "host", "redis-password", "password", "redis-db", "http-addr", "concurrent"),
    *("channel-default", "pidfile", "log-file", "backend-storage", "backend-keep-days"),
    *("update-check-interval", "update-check-url"),
}
#: Flags that have no counterpart, and what to do instead.
_INSTEAD: Final = {
    "task-mode": "send SIGUSR1 to have nothing taken",
    "pidfile": "systemd knows the process",
    "daemonize": "run it under systemd",
    "backend-storage": "set HistoryUrl, and HistoryKeepDays, in Doors.Coyotes",
    "backend-keep-days": "set HistoryUrl, and HistoryKeepDays, in Doors.Coyotes",
    "update-auto": "nothing updates itself",
}

_YAML_LINE: Final = re.compile(r"([A-Za-z_]+)\s*:(?:\s+(.*))?")


class BadSource(Exception):
    """What is to be converted cannot be read; the text says why."""


def init_from_coyotes(folder: Path, flags: str) -> int:
    """Write the configuration for what these flags said. Overwrites nothing."""
    try:
        config, remarks = coyotes_config(parse_flags(shlex.split(flags)))
    except (BadSource, ValueError) as error:
        print(f"goophry: --from-coyotes: {error}", file=sys.stderr)
        return exit_codes.USAGE
    return write_config(folder, config, remarks, "coyotes")


def init_from_kingtask(folder: Path, broker: Path, worker: Path) -> int:
    """Write the configuration for what these files said. Overwrites nothing."""
    try:
        config, remarks = kingtask_config(read_yaml(broker), read_yaml(worker), base=worker.parent.resolve())
    except (BadSource, OSError) as error:
        print(f"goophry: --from-kingtask: {error}", file=sys.stderr)
        return exit_codes.FAILED
    return write_config(folder, config, remarks, "kingtask")


def parse_flags(words: list[str]) -> dict[str, str]:
    """Read flags in Go's syntax; what comes behind the first word that is none is not looked at. Raises `BadSource`."""
    given: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word in {"-", "--"}:
            break
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if name in _BOOLEANS:
            given[name] = value if equals else "true"
        elif name not in _TEXTS:
            raise BadSource(f"flag provided but not defined: -{name}")
        elif equals:
            given[name] = value
        else:
            following = next(rest, None)
            if following is None:
                raise BadSource(f"flag needs an argument: -{name}")
            given[name] = following
    return given


def coyotes_config(flags: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration, and what is to be said about it. Raises `BadSource`."""
    usual = "127.0.0.1:6379"
    host = flags.get("redis-host", usual)
    if host in {"", usual}:
        host = flags.get("host") or usual
    door: dict[str, Any] = {"Interface": flags.get("http-addr", "127.0.0.1:60001"), "Allow": ["*"]}
    if flags.get("biz-name"):
        door["BizName"] = flags["biz-name"]
    if "concurrent" in flags:
        door["Concurrent"] = number("concurrent", flags["concurrent"])
    if flags.get("channel-default"):
        door["ChannelDefault"] = flags["channel-default"]
    config: dict[str, Any] = {"RedisAddress": host, "RedisQueueKey": "goophry"}
    password = flags.get("redis-password") or flags.get("password")
    if password:
        config["RedisPassword"] = password
    if number("redis-db", flags.get("redis-db", "0")):
        config["RedisDB"] = number("redis-db", flags["redis-db"])
    if flags.get("log-file"):
        config["Logfile"] = flags["log-file"]
    config["Doors"] = {"Coyotes": door}
    remarks = ['Allow is ["*"], anything, as in Coyotes: name the programs that clients need instead.']
    remarks += [f"-{name} has no counterpart: {text}." for name, text in _INSTEAD.items() if name in flags]
    return config, remarks


def read_yaml(path: Path) -> dict[str, str]:
    """Read the flat files of kingtask: a key, a colon, a value on each line. Raises `BadSource` and `OSError`."""
    values: dict[str, str] = {}
    for line_number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text or text == "---":
            continue
        found = _YAML_LINE.fullmatch(text)
        if found is None:
            raise BadSource(f"{path}, line {line_number}: expected a key, a colon and a value, found {line.strip()!r}")
        value = (found[2] or "").strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        values[found[1]] = value[1:-1] if quoted else value
    return values


def kingtask_config(
    broker: Mapping[str, str], worker: Mapping[str, str], *, base: Path
) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration, and what is to be said about it. Raises `BadSource`."""
    if not broker.get("addr") or not broker.get("redis"):
        raise BadSource("the broker's file has no addr, or no redis")
    if not worker.get("bin_path"):
        raise BadSource("the worker's file has no bin_path, and goophry runs nothing without one")
    address, _, database = broker["redis"].partition("/")
    door: dict[str, Any] = {"Interface": broker["addr"], "BinPath": str(base / worker["bin_path"])}
    period = worker.get("period") or worker.get("peroid")
    for key, name, value in (
        ("Period", "period", period),
        ("ResultKeepTime", "result_keep_time", worker.get("result_keep_time")),
        ("TaskRunTime", "task_run_time", worker.get("task_run_time")),
    ):
        if value and number(name, value) > 0:
            door[key] = number(name, value)
    door |= {"Workers": 1, "AllowUrls": ["*"], "AllowNetworks": ["0.0.0.0/0", "::/0"]}
    config: dict[str, Any] = {"RedisAddress": address, "RedisQueueKey": "goophry"}
    if database:
        config["RedisDB"] = number("redis", database)
    folder = worker.get("log_path") or broker.get("log_path")
    if folder:
        config["Logfile"] = str(base / folder / "goophry.log")
    config["Doors"] = {"Kingtask": door}
    remarks = [
        "Workers is 1; set it to the number of kingtask's workers.",
        "AllowUrls and AllowNetworks let rpc tasks ask for anything, as in kingtask: name what clients need instead.",
    ]
    if worker.get("redis", broker["redis"]) != broker["redis"]:
        remarks.append(f"The worker's redis, {worker['redis']}, is another than the broker's, which counts.")
    return config, remarks


def number(name: str, text: str) -> int:
    """Read the number of a flag. Raises `BadSource`."""
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise BadSource(f"{name}: expected a whole number, found {text!r}")
    return int(text)


def write_config(folder: Path, config: dict[str, Any], remarks: list[str], system: str) -> int:
    """Write the configuration, and say what is to be known of it. Overwrites nothing."""
    path = folder / DEFAULT_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        path.chmod(0o600 if "RedisPassword" in config or "Smtp" in config or "@" in config["RedisAddress"] else 0o644)
    except FileExistsError:
        print(f"goophry: {path} exists already, nothing was written", file=sys.stderr)
        return exit_codes.FAILED
    except OSError as error:
        print(f"goophry: {error.filename}: {error.strerror}", file=sys.stderr)
        return exit_codes.FAILED
    print(f"Written: {path}\n")
    for remark in remarks:
        print(f"- {remark}")
    print(
        f"\nNext:\n  goophry check -c {shlex.quote(str(path))}\n"
        f"  goophry import {system} -c {shlex.quote(str(path))}      what has the old daemon left?"
    )
    return exit_codes.OK
