"""poulpe's flags, and the configuration that does what they said."""

import json
from pathlib import Path

import pytest

from goophry.cli.init_from import BadSource
from goophry.cli.init_from_poulpe import init_from_poulpe, parse_poulpe_flags, poulpe_config
from goophry.config import load

LEAST = {"redis": "redis://h/3", "cron": "/c"}


def test_flags_are_read_in_every_form() -> None:
    words = ["--port", "8000", "--redis=redis://h", "-c", "/c", "-w8", "-k", "-i=5", "--kafka_topic", "t", "-n", "-x"]

    assert parse_poulpe_flags(words) == {
        "port": "8000",
        "redis": "redis://h",
        "cron": "/c",
        "workers": "8",
        "starttls": "true",
        "retry_interval": "5",
        "kafka_topic": "t",
        "smtp_name": "-x",
    }


@pytest.mark.parametrize("words", [["--max-retry", "3"], ["-z"], ["x"], ["--port"], ["-w"]])
def test_what_is_no_flag_is_an_error(words: list[str]) -> None:
    with pytest.raises(BadSource):
        parse_poulpe_flags(words)


def test_what_was_not_said_is_as_it_was() -> None:
    config, remarks = poulpe_config(LEAST)

    assert config == {
        "RedisAddress": "redis://h/3",
        "RedisQueueKey": "goophry",
        "Doors": {
            "Poulpe": {
                "Interface": ":9527",
                "Workers": 4,
                "CronFile": "/c",
                "DeadDir": "/tmp/deadpool",
                "RetryInterval": 10,
                "MaxRetry": 3,
                "Allow": ["*"],
                "AllowUrls": ["*"],
                "AllowNetworks": ["0.0.0.0/0", "::/0"],
            }
        },
    }
    assert len(remarks) == 1


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"redis": "redis://h"},
        {"cron": "/c"},
        LEAST | {"workers": "x"},
        LEAST | {"kafka_servers": "h:9092"},
    ],
)
def test_flags_that_poulpe_refused(flags: dict[str, str]) -> None:
    with pytest.raises(BadSource):
        poulpe_config(flags)


def test_what_is_written_is_a_configuration_and_stands_where_it_is_for_its_owner_only(tmp_path: Path) -> None:
    flags = (
        "-p 8000 -r redis://127.0.0.1 -c cron -d ~/dead -s smtp.example.org -n alex -y 'pass word' -k"
        " --kafka_servers a:1,b:2 --kafka_topic jobs"
    )

    assert init_from_poulpe(tmp_path, flags) == 0

    path = tmp_path / "goophry.config.json"
    settings = load(path, environ={})
    assert settings.smtp is not None
    assert (settings.smtp.username, settings.smtp.secret, settings.smtp.uses_start_tls) == ("alex", "pass word", True)
    assert settings.doors is not None
    assert settings.doors.poulpe is not None
    assert settings.doors.poulpe.kafka is not None
    assert settings.doors.poulpe.kafka.response_topic == "resp"
    door = json.loads(path.read_text())["Doors"]["Poulpe"]
    assert (door["CronFile"], door["DeadDir"]) == (str(Path.cwd() / "cron"), str(Path.home() / "dead"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert init_from_poulpe(tmp_path, flags) != 0
