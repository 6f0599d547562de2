"""`goophry init --from-poulpe`: the configuration that does what poulpe's flags said."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.init_from import BadSource, number, write_config

_LONG: Final = {
    *("port", "redis", "cron", "workers", "dead", "retry_interval", "max_retry", "smtp_server", "smtp_port"),
    *("smtp_name", "smtp_pwd", "kafka_servers", "kafka_topic", "kafka_resp_topic"),
}
_SHORT: Final = {
    "p": "port",
    "r": "redis",
    "c": "cron",
    "w": "workers",
    "d": "dead",
    "i": "retry_interval",
    "m": "max_retry",
    "s": "smtp_server",
    "x": "smtp_port",
    "n": "smtp_name",
    "y": "smtp_pwd",
    "k": "starttls",
}
_SWITCH: Final = "starttls"


def init_from_poulpe(folder: Path, flags: str) -> int:
    """Write the configuration for what these flags said. Overwrites nothing."""
    try:
        config, remarks = poulpe_config(parse_poulpe_flags(shlex.split(flags, comments=False)))
    except (BadSource, ValueError) as error:
        print(f"goophry: --from-poulpe: {error}", file=sys.stderr)
        return exit_codes.USAGE
    return write_config(folder, config, remarks, "poulpe")


def parse_poulpe_flags(words: list[str]) -> dict[str, str]:
    """Read flags as `--name value`, `--name=value`, `-n value` or `-nvalue`. Raises `BadSource`."""
    given: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, has_value, value = _split(word)
        if name == _SWITCH:
            given[name] = "true"
            continue
        if name not in _LONG:
            raise BadSource(f"Found argument {word!r} which wasn't expected")
        following = value if has_value else next(rest, None)
        if following is None:
            raise BadSource(f"the argument --{name} requires a value")
        given[name] = following
    return given


def poulpe_config(flags: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration, and what is to be said about it. Raises `BadSource`."""
    for name in ("redis", "cron"):
        if name not in flags:
            raise BadSource(f"the required argument --{name} was not provided")
    door: dict[str, Any] = {
        "Interface": f":{number('port', flags.get('port', '9527'))}",
        "Workers": number("workers", flags.get("workers", "4")),
        "CronFile": _path(flags["cron"]),
        "DeadDir": _path(flags.get("dead", "/tmp/deadpool")),  # noqa: S108 - where poulpe put them
        "RetryInterval": max(1, number("retry_interval", flags.get("retry_interval", "10"))),
        "MaxRetry": number("max_retry", flags.get("max_retry", "3")),
        "Allow": ["*"],
        "AllowUrls": ["*"],
        "AllowNetworks": ["0.0.0.0/0", "::/0"],
    }
    remarks = [
        "Allow, AllowUrls and AllowNetworks let clients run and ask for anything, as in poulpe: name what they need instead."
    ]
    if flags.get("kafka_servers"):
        if not flags.get("kafka_topic"):
            raise BadSource("--kafka_servers is given, and no --kafka_topic")
        response = flags.get("kafka_resp_topic", "resp")
        door["Kafka"] = {"Servers": flags["kafka_servers"], "Topic": flags["kafka_topic"], "ResponseTopic": response}
        remarks.append("Kafka needs the extra: pip install 'goophry[kafka]'.")
    config: dict[str, Any] = {"RedisAddress": flags["redis"], "RedisQueueKey": "goophry"}
    if flags.get("smtp_server"):
        config["Smtp"] = _smtp(flags)
    elif flags.get("smtp_name"):
        remarks.append("There is no --smtp_server, so mails are refused.")
    config["Doors"] = {"Poulpe": door}
    return config, remarks


def _smtp(flags: Mapping[str, str]) -> dict[str, Any]:
    smtp: dict[str, Any] = {
        "Host": flags["smtp_server"],
        "Port": number("smtp_port", flags.get("smtp_port", "465")),
        "StartTLS" if _SWITCH in flags else "TLS": True,
    }
    if flags.get("smtp_name"):
        smtp |= {"Username": flags["smtp_name"], "Password": flags.get("smtp_pwd", "")}
    return smtp


def _split(word: str) -> tuple[str, bool, str]:
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, bool(equals), value
    if word.startswith("-") and len(word) > 1:
        value = word[2:].removeprefix("=")
        return _SHORT.get(word[1], word), bool(value), value
    return word, False, ""


def _path(text: str) -> str:
    """Return a path as poulpe took it: from the folder it was started in, `~/` = home."""
    return str(Path(text).expanduser().absolute())
