"""What the configuration says about one schedule."""

import zoneinfo
from datetime import UTC, tzinfo
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from goophry import cron
from goophry.config_section import Section
from goophry.config_types import Environment, FilledText, Retry, Seconds, Text, expected, told
from goophry.cron import Cron
from goophry.entry import submitted
from goophry.errors import InvalidCron, UnreadableEntry

#: Longest Name, in characters: it becomes part of an Id and a label of metrics.
MAX_NAME_LENGTH: Final = 100

#: Seconds after which a moment that was missed is given up, unless CatchUp says otherwise: a restart,
#: or a Redis that is away for a while, costs no moment.
CATCH_UP_S: Final = 60


def zone_of(name: str) -> tzinfo:
    """Return the time zone. Raises `ValueError` when this machine knows none of that name."""
    if name == "UTC":  # needs no files
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ValueError(name) from error


def _name(text: str) -> str:
    if not text.isprintable() or len(text) > MAX_NAME_LENGTH or text != text.strip():
        raise expected(f"at most {MAX_NAME_LENGTH} printable characters, no blank at either end")
    return text


def _cron(text: str) -> str:
    try:
        cron.parse(text, UTC)
    except InvalidCron as error:
        raise told(str(error)) from error
    return text


def _timezone(name: str) -> str:
    try:
        zone_of(name)
    except ValueError as error:
        if not zoneinfo.available_timezones():
            raise told("this machine knows no time zones but UTC; install tzdata, its own package or pip's") from error
        raise expected("the name of a time zone, as Europe/Berlin") from error
    return name


def _variables(env: Any) -> Any:
    """Refuse what an entry may not set: with its schedule's Env an entry travels through Redis."""
    try:
        submitted({"Env": env})
    except UnreadableEntry as error:
        raise told(str(error).removeprefix("Env: ").removeprefix("Env.")) from error
    return env


class Schedule(Section):
    """A task that is put into its queue by the clock."""

    name: Annotated[FilledText, AfterValidator(_name)] = Field(
        validation_alias="Name", description="Name of the schedule; its runs have the Id `Name@moment`."
    )
    cron: Annotated[Text, AfterValidator(_cron)] = Field(
        validation_alias="Cron",
        description="When: five fields, or six with the second first, or `@daily` and its like.",
    )
    type: FilledText = Field(validation_alias="Type", description="The task type that is run.")
    args: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        (), validation_alias="Args", description="Arguments of the script."
    )
    timezone: Annotated[Text, AfterValidator(_timezone)] = Field(
        "UTC", validation_alias="Timezone", description="The time zone that Cron goes by, as `Europe/Berlin`."
    )
    catch_up: Seconds = Field(
        CATCH_UP_S,
        validation_alias="CatchUp",
        description="Seconds for which a moment that was missed is made up for; older ones are left out. Less than 5 counts as 5.",
    )
    overlap: Literal["allow", "skip"] = Field(
        "allow",
        validation_alias="Overlap",
        description="What a moment does while the run before it is still there: run all the same, or be left out.",
    )
    env: Annotated[Environment, AfterValidator(_variables)] = Field(
        default_factory=dict, validation_alias="Env", description="Environment variables, as an entry may have them."
    )
    timeout: Seconds | None = Field(
        None, validation_alias="Timeout", description="Instead of the type's Timeout, as an entry may have it."
    )
    retry: Retry | None = Field(
        None, validation_alias="Retry", description="Instead of the type's Retry, as an entry may have it."
    )

    def moments(self) -> Cron:
        """Return when it fires."""
        return cron.parse(self.cron, zone_of(self.timezone))
