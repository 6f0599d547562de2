"""A group of services is a service."""

import pytest
from engine.service_contract import stress

from goophry.engine.service import ServiceGroup
from goophry.errors import StartError


class Told:
    """A service that writes down what it is told."""

    def __init__(self, name: str, log: list[str], *, start_fails: bool = False, stop_fails: bool = False) -> None:
        self.name, self.log, self.start_fails, self.stop_fails = name, log, start_fails, stop_fails

    def start(self) -> None:
        self.log.append(f"start {self.name}")
        if self.start_fails:
            raise StartError(f"{self.name} cannot")

    def stop(self) -> None:
        self.log.append(f"stop {self.name}")
        if self.stop_fails:
            raise OSError(f"{self.name} hangs on")


def test_services_start_in_order_and_stop_in_the_opposite_order() -> None:
    log: list[str] = []
    group = ServiceGroup(Told("a", log), Told("b", log))

    group.start()
    group.start()
    group.stop()
    group.stop()

    assert log == ["start a", "start b", "stop b", "stop a"]


def test_one_that_cannot_start_brings_down_those_before_it() -> None:
    log: list[str] = []
    group = ServiceGroup(Told("a", log), Told("b", log, start_fails=True), Told("c", log))

    with pytest.raises(StartError, match="b cannot"):
        group.start()
    group.stop()

    assert log == ["start a", "start b", "stop a"]


def test_one_that_cannot_stop_does_not_keep_the_others_going() -> None:
    log: list[str] = []
    group = ServiceGroup(Told("a", log), Told("b", log, stop_fails=True))
    group.start()

    with pytest.raises(OSError, match="b hangs on"):
        group.stop()

    assert log == ["start a", "start b", "stop b", "stop a"]


def test_a_group_keeps_the_contract_of_a_service() -> None:
    stress(lambda: ServiceGroup(Told("a", []), ServiceGroup(Told("b", []))))
