"""What the configuration may say about Intake."""

from pathlib import Path
from typing import Any

import pytest
from configs import config, problems

KAFKA: dict[str, Any] = {"Servers": "k1:9092,k2:9092", "Topics": {"pictures": "a"}}


def test_a_topic_for_a_type(tmp_path: Path) -> None:
    intake = config(tmp_path, {"Intake": {"Kafka": KAFKA}}).intake

    assert intake is not None
    assert intake.kafka is not None
    assert (intake.kafka.servers, intake.kafka.group) == ("k1:9092,k2:9092", "goophry")
    assert intake.kafka.topics == {"pictures": "a"}


@pytest.mark.parametrize(
    ("kafka", "sentence"),
    [
        (
            {"Topics": {"pictures": "b"}},
            'Intake.Kafka.Topics.pictures: expected the Type of one of the Tasks, found "b"',
        ),
        ({"Topics": {"x y": "A"}}, 'Intake.Kafka.Topics."x y": expected the Type of one of the Tasks, found "A"'),
        ({"Topics": {"pictures": 1}}, "Intake.Kafka.Topics.pictures: expected a string, found a number"),
        ({"Servers": ""}, 'Intake.Kafka.Servers: expected text that is not empty, found ""'),
        ({"Topics": {}}, "Intake.Kafka.Topics: expected at least 1 in it, found an object"),
    ],
)
def test_sentences(tmp_path: Path, kafka: dict[str, Any], sentence: str) -> None:
    assert sentence in problems(tmp_path, {"Intake": {"Kafka": KAFKA | kafka}})
