"""The `mail` kind: a plain text mail for each entry."""

from datetime import UTC, datetime
from functools import partial

from goophry.entry import TaskEntry
from goophry.outcome import Captured, Outcome, Verdict
from goophry.runners.base import Job
from goophry.runners.errand import Errand, run_errand
from goophry.runners.mail_message import Mail, read_mail
from goophry.runners.mail_session import MailServer
from goophry.runners.patience import Patience


class MailRunner:
    """Sends the mails of one worker, each over a connection of its own; its thread is the only one that waits."""

    def __init__(self, server: MailServer, *, task_type: str, timeout_s: float, usual_timeout_s: float) -> None:
        """`timeout_s` is the type's, `usual_timeout_s` the server's, which counts where there is no other."""
        self._server = server
        self._task_type = task_type
        self._timeout_s = timeout_s
        self._usual_timeout_s = usual_timeout_s
        self._patience = Patience()

    def run(self, job: Job) -> Outcome:
        """Send the mail of one entry; what is none, or is not taken, is an outcome too."""
        timeout_s = job.timeout_s(self._timeout_s) or self._usual_timeout_s
        return run_errand(self._errand, job, self._patience, timeout_s=timeout_s)

    def close(self) -> None:
        """Free what is held between runs."""
        self._patience.close()
        self._server.close()

    def _errand(self, entry: TaskEntry) -> Errand:
        mail = read_mail(entry, task_type=self._task_type, now=datetime.now(UTC))
        return Errand(self._server.place, partial(self._send, mail))

    def _send(self, mail: Mail) -> Outcome:
        with self._server.session(self._patience) as session:
            said = session.send(mail)
        return Outcome(Verdict.SUCCESS, stdout=Captured(said.encode()))
