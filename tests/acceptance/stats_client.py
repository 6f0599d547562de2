"""Reading a goophry's stats as a monitoring system does."""

import json
import urllib.request
from typing import Any

from conftest import eventually
from prometheus_client.parser import text_string_to_metric_families


def stats_json(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/?format=json", timeout=10) as reply:
        return json.loads(reply.read())


def metric(port: int, name: str, **labels: str) -> float:
    """Return the value of one sample."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as reply:
        text = reply.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels == sample.labels:
                return float(sample.value)
    raise AssertionError(f"no {name} {labels} in {text}")


def wait_metric(port: int, name: str, value: float, **labels: str) -> None:
    eventually(lambda: metric(port, name, **labels) == value, every=0.05, what=f"{name} {labels} is {value}")
