"""The application: the routes of the table behind guard and limits."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from goophry.web.api import document, pages, problems
from goophry.web.api.access import Access
from goophry.web.api.guard import ROLE, GuardedRoute
from goophry.web.api.limits import Limits
from goophry.web.api.sessions import Sessions
from goophry.web.api.table import PREFIX, TABLE, Handler

#: Only these paths take bodies as long as a task may be.
_TASKS: Final = f"{PREFIX}/tasks/"


def application(handlers: Mapping[str, object], *, access: Access, max_entry_bytes: int) -> ASGIApp:
    """Return the application; `handlers` are the objects that the table names."""
    app = FastAPI(openapi_url=f"{PREFIX}/openapi.json", docs_url=None, redoc_url=None)
    app.state.access = access
    app.include_router(routes({**handlers, "sessions": Sessions(access)}))
    app.router.routes.extend(pages.routes())
    problems.install(app)
    document.install(app)
    return Limits(app, max_task=max_entry_bytes, own_names_only=access.is_open, task_paths=(_TASKS,))


def routes(handlers: Mapping[str, object]) -> APIRouter:
    """Return the routes of the table."""
    router = APIRouter(prefix=PREFIX, route_class=GuardedRoute)
    for entry in TABLE:
        owner, _, method = entry.handler.partition(".")
        handler: Handler = getattr(handlers[owner], method)
        router.add_api_route(
            entry.path,
            handler,
            methods=[entry.method],
            status_code=entry.status,
            response_model=entry.body,
            openapi_extra=None if entry.role is None else {ROLE: entry.role},
            operation_id=entry.handler.replace(".", "_"),
            tags=[owner],
        )
    return router
