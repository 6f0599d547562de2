"""From a task type to what makes its requests, or sends its mails."""

from functools import cache, partial

from goophry.config import TaskType
from goophry.runners.base import Runner, RunnerFactory
from goophry.runners.http import HttpRules, HttpRunner
from goophry.runners.mail import MailRunner
from goophry.runners.mail_session import MailServer
from goophry.runners.names import names_of
from goophry.runners.surroundings import Surroundings
from goophry.runners.trust import client_context


def http_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    """Return what makes the runners of a type of kind `http`."""
    rules = HttpRules(
        task_type.allow_urls,
        task_type.allow_networks,
        task_type.headers,
        task_type.success,
        task_type.redirects,
        task_type.proxy,
    )
    # Made with the first https request, and then for all workers: reading the store takes tens of milliseconds.
    tls = cache(partial(client_context, protocols=["http/1.1"]))

    def make() -> Runner:
        return HttpRunner(
            rules,
            names=names_of(around.environ, live=around.live, guardian=around.guardian),
            tls=tls,
            timeout_s=task_type.timeout,
            output_limit=task_type.output_limit,
        )

    return make


def mail_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    """Return what makes the runners of a type of kind `mail`, which has a server."""
    smtp = task_type.smtp
    if smtp is None:
        raise ValueError(f"the type {task_type.type} has no Smtp")
    tls = cache(client_context)

    def make() -> Runner:
        names = names_of(around.environ, live=around.live, guardian=around.guardian)
        return MailRunner(
            MailServer(smtp, names=names, tls=tls),
            task_type=task_type.type,
            timeout_s=task_type.timeout,
            usual_timeout_s=smtp.timeout,
        )

    return make
