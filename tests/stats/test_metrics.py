"""The metrics by name, label and value; and docs/metrics.md, which must list exactly these."""

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

import goophry
from goophry.errors import StoreUnavailable
from goophry.events import (
    BrokerBack,
    BrokerLost,
    ConfigRead,
    ErrorScriptFinished,
    HelperRepaired,
    MessagesTaken,
    ScheduleFired,
    ScheduleSkipped,
    StoreLost,
    TaskFinished,
    TaskStarted,
    TurnedQuiet,
    TypeChanged,
)
from goophry.outcome import Outcome, Verdict
from goophry.stats.counters import Counters
from goophry.stats.metrics import Metrics

STATES = {"waiting": 3, "delayed": 2, "running": 1, "failed": 0}


class Lengths:
    """Queue lengths as Redis would give them, or an outage."""

    def __init__(self, *types: str, away: bool = False) -> None:
        self.types, self.away = types, away

    def lengths(self) -> Mapping[str, Mapping[str, int]]:
        if self.away:
            raise StoreUnavailable("connection refused")
        return dict.fromkeys(self.types, STATES)


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in parse(text.decode()):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def worked() -> Counters:
    counters = Counters(["mail", "idle"])
    for run, verdict, seconds in (("1", Verdict.SUCCESS, 0.2), ("2", Verdict.FAILED, 7.0)):
        counters.notify(TaskStarted("mail", run, None, (), 1, 0))
        counters.notify(TaskFinished("mail", run, None, (), Outcome(verdict, duration_s=seconds), final=True))
    counters.notify(TaskStarted("mail", "3", None, (), 1, 0))
    counters.notify(ErrorScriptFinished("mail", "success", ""))
    counters.notify(ScheduleFired("nightly", "mail", "nightly@2026-07-01T03:00:00Z", 0.01))
    counters.notify(ScheduleSkipped("nightly", "mail", 1_782_874_800, "overlap"))
    return counters


def test_every_metric_has_the_value_that_was_counted() -> None:
    metrics = Metrics(worked(), workers=lambda: {"mail": 4, "idle": 1}, views=Lengths("mail", "idle"))

    found = samples(metrics.prometheus())

    mail = ("type", "mail")
    assert found["goophry_tasks_started_total", (mail,)] == 3
    assert found["goophry_tasks_finished_total", (("outcome", "success"), mail)] == 1
    assert found["goophry_tasks_finished_total", (("outcome", "failed"), mail)] == 1
    assert found["goophry_tasks_finished_total", (("outcome", "timeout"), ("type", "idle"))] == 0
    assert found["goophry_tasks_recovered_total", (mail,)] == 0
    assert found["goophry_task_run_seconds_bucket", (("le", "0.1"), mail)] == 0
    assert found["goophry_task_run_seconds_bucket", (("le", "0.25"), mail)] == 1
    assert found["goophry_task_run_seconds_bucket", (("le", "+Inf"), mail)] == 2
    assert found["goophry_task_run_seconds_count", (mail,)] == 2
    assert found["goophry_task_run_seconds_sum", (mail,)] == 7.2
    assert found["goophry_workers", (mail,)] == 4
    assert found["goophry_workers_busy", (mail,)] == 1
    assert found["goophry_oldest_running_seconds", (mail,)] >= 0
    assert {state: found["goophry_queue_length", (("state", state), mail)] for state in STATES} == STATES
    assert found["goophry_redis_up", ()] == 1
    assert found["goophry_redis_errors_total", ()] == 0
    assert found["goophry_error_script_runs_total", (("outcome", "success"),)] == 1
    assert found["goophry_schedule_runs_total", (("schedule", "nightly"),)] == 1
    assert found["goophry_schedule_skipped_total", (("schedule", "nightly"), ("why", "overlap"))] == 1
    assert found["goophry_build_info", (("version", goophry.__version__),)] == 1
    assert found["process_resident_memory_bytes", ()] > 0


def test_openmetrics_says_the_same_and_ends_properly() -> None:
    metrics = Metrics(worked(), workers=lambda: {"mail": 4}, views=Lengths("mail"))

    text = metrics.openmetrics().decode()

    names = {family.name for family in parse_openmetrics(text)}
    assert {"goophry_tasks_started", "goophry_task_run_seconds", "goophry_build"} <= names
    assert text.endswith("# EOF\n")


def test_when_redis_is_away_lengths_are_absent_and_all_else_is_there() -> None:
    found = samples(Metrics(worked(), workers=dict, views=Lengths(away=True)).prometheus())

    assert found["goophry_redis_up", ()] == 0
    assert found["goophry_tasks_started_total", (("type", "mail"),)] == 3
    assert not [name for name, _ in found if name == "goophry_queue_length"]


def test_redis_is_not_up_while_one_part_misses_it() -> None:
    counters = Counters(["mail"])
    counters.notify(StoreLost("mail", "gone"))

    assert samples(Metrics(counters, workers=dict, views=Lengths("mail")).prometheus())["goophry_redis_up", ()] == 0


def test_what_is_held_and_what_is_wrong_with_the_configuration_is_a_gauge() -> None:
    counters = Counters(["mail", "idle"])
    metrics = Metrics(counters, workers=dict, views=Lengths("mail"))
    first = samples(metrics.prometheus())
    counters.notify(TypeChanged("mail", "paused"))
    counters.notify(TurnedQuiet())
    counters.notify(ConfigRead(1))

    found = samples(metrics.prometheus())

    assert [first["goophry_type_paused", (("type", name),)] for name in ("mail", "idle")] == [0, 0]
    assert [found["goophry_type_paused", (("type", name),)] for name in ("mail", "idle")] == [1, 0]
    assert [each["goophry_quiet", ()] for each in (first, found)] == [0, 1]
    assert [each["goophry_config_reload_success", ()] for each in (first, found)] == [1, 0]
    assert found["goophry_config_reload_timestamp_seconds", ()] == first["goophry_config_reload_timestamp_seconds", ()]


def test_brokers_that_are_away_and_what_they_brought() -> None:
    counters = Counters([])
    metrics = Metrics(counters, workers=dict, views=Lengths())
    assert ("goophry_kafka_up", (("intake", "poulpe"),)) not in samples(metrics.prometheus())

    counters.notify(BrokerBack("poulpe", 0.0))
    counters.notify(MessagesTaken("poulpe", 3, 1))
    counters.notify(MessagesTaken("poulpe", 2, 0))
    counters.notify(BrokerLost("poulpe", "no route"))

    found = samples(metrics.prometheus())
    assert found["goophry_kafka_up", (("intake", "poulpe"),)] == 0
    results = [
        found["goophry_kafka_messages_total", (("intake", "poulpe"), ("result", each))] for each in ("taken", "skipped")
    ]
    assert results == [5, 1]
    counters.notify(BrokerBack("poulpe", 2.0))
    assert samples(metrics.prometheus())["goophry_kafka_up", (("intake", "poulpe"),)] == 1


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "é:ü", "{x}", "", " ", "a\r\tb", "\u2028"])
def test_a_type_of_any_name_survives_the_text_format(name: str) -> None:
    metrics = Metrics(Counters([name]), workers=lambda: {name: 1}, views=Lengths(name))

    assert samples(metrics.prometheus())["goophry_workers", (("type", name),)] == 1


def test_a_name_that_utf8_cannot_carry_breaks_nothing() -> None:
    metrics = Metrics(Counters(["a\ud800"]), workers=lambda: {"a\ud800": 1}, views=Lengths("a\ud800"))

    assert samples(metrics.prometheus())["goophry_workers", (("type", "a?"),)] == 1


def test_a_thousand_types_are_scraped_quickly() -> None:
    types = [f"type{number}" for number in range(1000)]
    metrics = Metrics(Counters(types), workers=lambda: dict.fromkeys(types, 2), views=Lengths(*types))

    began = time.process_time()
    text = metrics.prometheus()

    assert time.process_time() - began < 5  # 0.25 s on an idle machine
    assert text.count(b"goophry_tasks_started_total{") == 1000


def test_the_documentation_lists_exactly_these_metrics_with_type_and_labels() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    told = {
        name: (kind, frozenset(re.findall(r"\w+", labels)))
        for name, kind, labels in re.findall(r"^\| `(goophry_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    }

    exist = {}
    counters = worked()
    counters.notify(BrokerBack("poulpe", 0.0))
    metrics = Metrics(counters, workers=lambda: {"mail": 1}, views=Lengths("mail"), may_evict=lambda: True)
    for family in parse(metrics.prometheus().decode()):
        if family.name.startswith("goophry_"):
            labels = frozenset(label for sample in family.samples for label in sample.labels if label != "le")
            name = f"{family.name}_total" if family.type == "counter" else family.name
            exist[name] = (family.type, labels)
    assert told == exist


@pytest.mark.parametrize("evicts", [False, True])
def test_a_policy_that_evicts_is_told(evicts: bool) -> None:
    counters = worked()
    counters.notify(HelperRepaired("{q}:running:me", "gone"))
    metrics = Metrics(counters, workers=dict, views=Lengths("mail"), may_evict=lambda: evicts)
    away = Metrics(counters, workers=dict, views=Lengths(away=True), may_evict=lambda: evicts)

    assert samples(metrics.prometheus())["goophry_redis_may_evict", ()] == evicts
    assert ("goophry_redis_may_evict", ()) not in samples(away.prometheus())
    assert samples(metrics.prometheus())["goophry_helper_repairs_total", ()] == 1
