"""What is installed only where it is wanted: `pip install 'goophry[kafka]'`."""

import importlib.util
from typing import Final, Literal

from goophry.config import Settings

Extra = Literal["history", "kafka"]

#: The package that each brings, by the name that it is imported under. The third, `embedded`, is looked for
#: where its program is: `store/embedded.py`.
_BRINGS: Final[dict[Extra, str]] = {"history": "sqlalchemy", "kafka": "aiokafka"}


def missing_extras(settings: Settings) -> list[str]:
    """Return a sentence for each key in use whose extra is not installed; imports nothing."""
    return [
        f"{key}: needs the extra {extra}, pip install 'goophry[{extra}]'"
        for key, extra in used_extras(settings)
        if importlib.util.find_spec(_BRINGS[extra]) is None
    ]


def used_extras(settings: Settings) -> list[tuple[str, Extra]]:
    """Return the keys in use that need an extra."""
    doors, intake = settings.doors, settings.intake
    used: list[tuple[str, Extra]] = []
    if doors is not None and doors.coyotes is not None and doors.coyotes.history_url is not None:
        used.append(("Doors.Coyotes.HistoryUrl", "history"))
    if doors is not None and doors.poulpe is not None and doors.poulpe.kafka is not None:
        used.append(("Doors.Poulpe.Kafka", "kafka"))
    if intake is not None and intake.kafka is not None:
        used.append(("Intake.Kafka", "kafka"))
    return used
