"""What can be wrong with a mail server: it is connected to and logged in at, and sent nothing."""

import os
from collections.abc import Iterator

from goophry.cli.finding import Finding
from goophry.config import Settings, Smtp
from goophry.runners.base import Interrupt
from goophry.runners.live import LivePids
from goophry.runners.mail_session import MailServer, NotSent
from goophry.runners.names import names_of
from goophry.runners.patience import Patience, RunEnded
from goophry.runners.trust import client_context

#: Seconds that a server may take, or its own Timeout if that is shorter.
_ANSWER_S = 15.0


def findings_of_mail(settings: Settings) -> Iterator[Finding]:
    """Look at the servers of all types of kind `mail`, at each one once."""
    tried: list[Smtp] = []
    for task in settings.tasks:
        if task.kind == "mail" and task.smtp is not None and task.smtp not in tried:
            tried.append(task.smtp)
            yield _tried_out(task.smtp)


def _tried_out(smtp: Smtp) -> Finding:
    server = MailServer(smtp, names=names_of(os.environ, live=LivePids(), guardian=None), tls=client_context)
    patience = Patience()
    timeout_s = min(_ANSWER_S, smtp.timeout or _ANSWER_S)
    problem = ""
    try:
        with patience.during(Interrupt(), timeout_s=timeout_s), server.session(patience):
            pass
    except NotSent as reason:
        problem = str(reason)
    except RunEnded:
        problem = f"no answer within {timeout_s:g} s, {patience.doing}"
    finally:
        server.close()
        patience.close()
    how = "TLS" if smtp.tls else "STARTTLS" if smtp.uses_start_tls else "no TLS"
    login = "" if smtp.username is None else ", login accepted"
    return (
        Finding.of(f"Smtp {server.place}", problem) if problem else Finding("ok", f"Smtp {server.place}, {how}{login}")
    )
