"""Every route of the API with the role that it takes: the one place where that is decided."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from goophry.config_api import Role
from goophry.web import models

PREFIX: Final = "/api/v1"

Handler = Callable[..., Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route. `handler` is `<object>.<method>` among what `app.routes` is handed."""

    method: str
    path: str
    role: Role | None
    """None = for everybody."""
    handler: str
    body: Any = None
    """Model of the answer."""
    status: int = 200
    also: tuple[int, ...] = ()
    """Statuses of answers beside that one, problems included; what every route may answer is left out."""


# The order counts where one path could be read as another: an Id and a Type may hold a slash.
TABLE: Final = (
    Entry("GET", "/session", "viewer", "sessions.who", models.Session),
    Entry("POST", "/session", None, "sessions.login", models.Session, also=(401, 403)),
    Entry("DELETE", "/session", None, "sessions.logout", status=204, also=(403,)),
    Entry("GET", "/overview", "viewer", "types.overview", models.Overview),
    Entry("GET", "/events", "viewer", "events.live"),
    Entry("GET", "/plots", "viewer", "types.plots", dict[str, models.Plot]),
    Entry("GET", "/running", "viewer", "types.running", list[models.Run]),
    Entry("GET", "/instances", "viewer", "types.instances", list[models.Instance]),
    Entry("GET", "/types", "viewer", "types.all", list[models.TypeRow]),
    Entry("POST", "/types/{type:path}/pause", "operator", "types.pause", models.Changed, also=(404,)),
    Entry("POST", "/types/{type:path}/resume", "operator", "types.resume", models.Changed, also=(404,)),
    Entry("GET", "/types/{type:path}", "viewer", "types.one", models.TypeDetail, also=(404,)),
    Entry("GET", "/delayed", "viewer", "delayed.page", models.DelayedPage, also=(404,)),
    Entry("POST", "/delayed/{type:path}/entries/{key}/run", "operator", "delayed.run_now", models.DelayedTask, also=(404,)),
    Entry("DELETE", "/delayed/{type:path}/entries/{key}", "operator", "delayed.remove", models.DelayedTask, also=(404,)),
    Entry("GET", "/schedules", "viewer", "schedules.all", list[models.Schedule]),
    Entry("POST", "/schedules/{name:path}/run", "operator", "schedules.run_now", models.AcceptedTask, 202, also=(404, 409)),
    Entry("GET", "/runs/{run}/output", "viewer", "output.of_run", also=(404,)),
    Entry("DELETE", "/runs/{run}", "submitter", "output.cancel", models.Cancelled, 202, also=(404,)),
    Entry("GET", "/tasks/{id:path}/output", "viewer", "output.of_task", also=(404,)),
    Entry("GET", "/tasks/{id:path}", "viewer", "tasks.read", models.Task, also=(404,)),
    Entry("DELETE", "/tasks/{id:path}", "submitter", "tasks.cancel", models.Cancelled, also=(202, 404)),
    Entry("POST", "/tasks/{type:path}", "submitter", "tasks.submit", models.AcceptedTask, 202, also=(200, 404, 409)),
    Entry("GET", "/failed/{type:path}/entries/{key}", "viewer", "failed.one", models.FailedTask, also=(404,)),
    Entry("POST", "/failed/{type:path}/entries/{key}/retry", "operator", "failed.retry_one", models.FailedTask, also=(404, 409)),
    Entry("DELETE", "/failed/{type:path}/entries/{key}", "operator", "failed.delete_one", models.FailedTask, also=(404,)),
    Entry("POST", "/failed/{type:path}/retry", "operator", "failed.retry", models.Swept, also=(404,)),
    Entry("POST", "/failed/{type:path}/delete", "operator", "failed.delete", models.Swept, also=(404,)),
    Entry("GET", "/failed/{type:path}", "viewer", "failed.page", models.FailedPage, also=(404,)),
)  # fmt: skip

#: What a status other than the first says, where it is no problem.
ALSO: Final[dict[tuple[str, int], Any]] = {
    ("tasks.submit", 200): models.Task,
    ("tasks.cancel", 202): models.Cancelled,
}
