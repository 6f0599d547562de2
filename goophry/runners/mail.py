"""The `mail` kind: a plain text mail for each entry."""

import time
from datetime import UTC, datetime

from goophry.outcome import Captured, Outcome, Verdict
from goophry.runners.base import Job
from goophry.runners.mail_message import read_mail
from goophry.runners.mail_session import MailServer, NotSent
from goophry.runners.patience import Patience, RunEnded
from goophry.runners.refused import Refused


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
        started = time.monotonic()
        timeout_s = self._timeout_s if job.entry.timeout_s is None else job.entry.timeout_s
        timeout_s = timeout_s or self._usual_timeout_s
        place = self._server.place
        try:
            mail = read_mail(job.entry, task_type=self._task_type, now=datetime.now(UTC))
            with self._patience.during(job.interrupt, timeout_s=timeout_s):
                self._patience.left_s()
                with self._server.session(self._patience) as session:
                    said = session.send(mail)
        except Refused as reason:
            return Outcome(Verdict.START_FAILED, str(reason))
        except RunEnded as ended:
            message = str(ended.verdict)
            if ended.verdict is Verdict.TIMEOUT:
                message = f"timed out after {timeout_s:g} s\n\n{place}: {self._patience.doing}"
            return Outcome(ended.verdict, message, time.monotonic() - started)
        except NotSent as reason:
            return Outcome(Verdict.FAILED, f"{place}: {reason}", time.monotonic() - started)
        return Outcome(Verdict.SUCCESS, "", time.monotonic() - started, stdout=Captured(said.encode()))

    def close(self) -> None:
        """Free what is held between runs."""
        self._patience.close()
        self._server.close()
