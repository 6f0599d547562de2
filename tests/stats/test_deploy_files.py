"""The Grafana dashboard and the alert rules ask only for what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from goophry.outcome import Verdict
from goophry.stats.counters import Counters
from goophry.stats.metrics import Metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())

#: Labels that Prometheus adds.
ADDED = {"job", "instance", "le"}


class Views:
    def lengths(self) -> dict[str, dict[str, int]]:
        return {"t": dict.fromkeys(("waiting", "delayed", "running", "failed"), 1)}


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """Every name that a scrape has, with its labels."""
    counters = Counters(["t"])
    counters._error_scripts["ok"] = 1
    metrics = Metrics(counters, workers=lambda: {"t": 1}, views=Views(), may_evict=lambda: False)
    found: dict[str, set[str]] = {}
    for line in metrics.prometheus().decode().splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"(\w+)(?:\{(.*)\})?", line).groups()  # type: ignore[union-attr]
            found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels or ""))
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize(
    ("name", "expression"), EXPRESSIONS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXPRESSIONS)]
)
def test_expressions_ask_for_metrics_and_labels_that_exist(
    name: str, expression: str, exposed: dict[str, set[str]]
) -> None:
    asked = re.findall(r"(goophry_\w+)(?:\{([^}]*)\})?", expression)

    assert asked or expression.startswith("up "), name
    for metric, matchers in asked:
        assert metric in exposed, f"{name}: there is no {metric}"
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= exposed[metric] | ADDED, name
    known = set().union(*(exposed[metric] for metric, _ in asked)) | ADDED
    for clause in re.findall(r"(?:by|on)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in clause.split(",")} <= known, f"{name}: {clause}"


@pytest.mark.parametrize(
    ("name", "expression"), EXPRESSIONS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXPRESSIONS)]
)
def test_expressions_are_closed(name: str, expression: str) -> None:
    stack = []
    for sign in re.sub(r'"[^"]*"', '""', expression):
        if sign in "([{":
            stack.append(sign)
        elif sign in ")]}":
            assert stack.pop() + sign in {"()", "[]", "{}"}, name

    assert not stack


def test_outcomes_that_are_named_exist() -> None:
    named = {
        word
        for _, expression in EXPRESSIONS
        for metric, matchers in re.findall(r"(goophry_tasks_finished_total)\{([^}]*)\}", expression)
        for words in re.findall(r'outcome\s*(?:=~|!~|!=|=)\s*"([^"]*)"', matchers)
        for word in words.split("|")
    }

    assert named <= {verdict.value for verdict in Verdict}


def test_dashboard_can_be_imported() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in {"row", "stat", "timeseries"}
    assert DASHBOARD["schemaVersion"] >= 39
    assert DASHBOARD["uid"] == "goophry"


def test_every_alert_says_what_to_do() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert {"summary", "description"} <= rule["annotations"].keys()
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
