"""What must hold between keys, asked of the values as given, so that all of it is told at once."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from goophry.config_address import names_cluster, names_sentinels, redis_address_problem, without_credentials
from goophry.config_api_checks import problems_of_api
from goophry.config_door_types import RESERVED
from goophry.config_kind_checks import problems_of_kinds
from goophry.config_sentences import MISSING, Problem, shown

#: What the store puts behind a type's list for lists and sets of its own. Only `failed` can meet
#: the list of another type in general; the others do when RedisQueueKey or Type has a {tag}.
_FAILED: Final = "failed"
_TAGGED: Final = ("instances", "delayed", "ids", "unique", "schedules", "rate", "recovered", "failed-aside")


#: What stands at `RedisQueueKey:…` beside the queues: keys, and the beginnings of others.
_OWN: Final = ("paused", "instances:seen")
_OWN_BEGINNINGS: Final = ("instance:", "result:", "cancel:")


def problems_between(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not fit together; values of a wrong type are left to the models."""
    yield from _address(values)
    yield from _sentinel_login(values)
    yield from _cluster(values)
    yield from _redis_tls(values)
    yield from _password(values)
    yield from _certificate(values)
    yield from _tasks(values)
    yield from _types(values)
    yield from problems_of_kinds(values)
    yield from problems_of_api(values)
    yield from _schedules(values)
    yield from _topics(values)


def _address(values: Mapping[str, Any]) -> Iterator[Problem]:
    address, network = values.get("RedisAddress"), values.get("RedisNetwork", "tcp")
    if not isinstance(address, str):
        if network == "unix" and address is None:
            yield Problem(("RedisAddress",), "missing, RedisNetwork unix needs the path of a socket")
        return
    problem = redis_address_problem(address, network=network)
    if problem:
        yield Problem(("RedisAddress",), problem)
        return
    _, username, password = without_credentials(address)
    for key, in_address in (("RedisUsername", username), ("RedisPassword", password), ("RedisPasswordFile", password)):
        if in_address is not None and key in values:
            yield Problem((key,), "given twice, the URL of RedisAddress has one too")


def _cluster(values: Mapping[str, Any]) -> Iterator[Problem]:
    address = values.get("RedisAddress")
    if isinstance(address, str) and names_cluster(address) and values.get("RedisDB"):
        yield Problem(("RedisDB",), f"expected 0, as a cluster has one database only, found {shown(values['RedisDB'])}")


def _sentinel_login(values: Mapping[str, Any]) -> Iterator[Problem]:
    address = values.get("RedisAddress")
    if isinstance(address, str) and names_sentinels(address):
        return
    for key in ("RedisSentinelUsername", "RedisSentinelPassword", "RedisSentinelPasswordFile"):
        if key in values:
            yield Problem((key,), "is for a RedisAddress of sentinels, redis+sentinel://…")


def _redis_tls(values: Mapping[str, Any]) -> Iterator[Problem]:
    address = values.get("RedisAddress")
    if isinstance(address, str) and address.startswith("rediss"):
        return
    for key in ("RedisTLSCAFile", "RedisTLSCertFile", "RedisTLSKeyFile"):
        if key in values:
            yield Problem((key,), "is for a RedisAddress with TLS, rediss://…")


def _password(values: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("RedisPassword", "RedisSentinelPassword"):
        if key in values and f"{key}File" in values:
            yield Problem((f"{key}File",), f"{key} is given too, expected one of the two")


def _certificate(values: Mapping[str, Any]) -> Iterator[Problem]:
    for server in ("Redis", "Stats", "Api"):
        pair = (f"{server}TLSCertFile", f"{server}TLSKeyFile")
        for key, other in (pair, pair[::-1]):
            if key not in values and other in values:
                yield Problem((key,), f"missing, {other} is given and needs it")


def _tasks(values: Mapping[str, Any]) -> Iterator[Problem]:
    doors = values.get("Doors")
    if isinstance(doors, dict) and doors:
        yield from _doors(values.get("Tasks"), doors)
    elif "Tasks" not in values:
        yield Problem(("Tasks",), MISSING)
    elif values["Tasks"] == []:
        yield Problem(("Tasks",), "expected at least one task type, found []")


def _doors(tasks: Any, doors: Mapping[str, Any]) -> Iterator[Problem]:
    for index, task in enumerate(tasks if isinstance(tasks, list) else []):
        name = task.get("Type") if isinstance(task, dict) else None
        for door, prefix in RESERVED.items():
            if door in doors and isinstance(name, str) and name.startswith(prefix):
                text = f"{shown(name)} is kept for Doors.{door}, whose types begin with {prefix}"
                yield Problem(("Tasks", index, "Type"), text)


def _types(values: Mapping[str, Any]) -> Iterator[Problem]:
    tasks = values.get("Tasks")
    names = [task.get("Type") if isinstance(task, dict) else None for task in tasks] if isinstance(tasks, list) else []
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Problem(("Tasks", index, "Type"), f"{shown(name)} is the Type of Tasks[{first[name]}] already")
    for name, index in first.items():
        if name in _OWN or name.startswith(_OWN_BEGINNINGS):
            yield Problem(("Tasks", index, "Type"), f"{shown(name)} is a name that goophry needs for a key of its own")
        owner, _, suffix = name.rpartition(":")
        tagged = "{" in f"{values.get('RedisQueueKey')}:{owner}"
        if owner in first and (suffix == _FAILED or (tagged and suffix in _TAGGED)):
            yield Problem(
                ("Tasks", index, "Type"), f"{shown(name)} is a list that the type {shown(owner)} needs for itself"
            )


def _schedules(values: Mapping[str, Any]) -> Iterator[Problem]:
    given, tasks = values.get("Schedules"), values.get("Tasks")
    types = [task.get("Type") for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    first: dict[str, int] = {}
    for index, schedule in enumerate(given if isinstance(given, list) else []):
        name, task_type = (schedule.get("Name"), schedule.get("Type")) if isinstance(schedule, dict) else (None, None)
        if isinstance(name, str) and first.setdefault(name, index) != index:
            text = f"{shown(name)} is the Name of Schedules[{first[name]}] already"
            yield Problem(("Schedules", index, "Name"), text)
        if isinstance(task_type, str) and task_type and types and task_type not in types:
            yield Problem(("Schedules", index, "Type"), f"{shown(task_type)} is the Type of none of the Tasks")


def _topics(values: Mapping[str, Any]) -> Iterator[Problem]:
    given, tasks = values.get("Intake"), values.get("Tasks")
    kafka = given.get("Kafka") if isinstance(given, dict) else None
    topics = kafka.get("Topics") if isinstance(kafka, dict) else None
    types = [task.get("Type") for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    for topic, task_type in topics.items() if isinstance(topics, dict) else ():
        if isinstance(task_type, str) and task_type and task_type not in types:
            text = f"expected the Type of one of the Tasks, found {shown(task_type)}"
            yield Problem(("Intake", "Kafka", "Topics", topic), text)
