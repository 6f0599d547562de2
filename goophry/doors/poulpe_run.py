"""What runs for a job of poulpe's clients, and what is said of an attempt that ended."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from goophry.config_door_types import poulpe_type
from goophry.doors.poulpe_job import Job, words
from goophry.outcome import NOT_RUN, Outcome, Verdict
from goophry.submission import Submission

#: Key of the entries in which a job stands as it was accepted.
FIELD: Final = "Poulpe"

#: What is told of an attempt that went well; of one that did not, the error is.
OK: Final = "OK"

#: Seconds that a request, and that a mail may take; a program takes as long as it likes.
HTTP_S: Final = 30.0
MAIL_S: Final = 5.0

_NOT_STARTED: Final = "执行失败"
_NOT_REACHED: Final = "URL无法访问"
_BAD_ANSWER: Final = "服务端错误"
_BAD_MAIL: Final = "邮件任务参数不正确"
_NOT_SENT: Final = "Could not send email: "
_NO_TLS: Final = "create transport faild with err:"

_MAIL: Final = ("from_addr", "to_addr", "title", "body")
_UNSAFE: Final = str.maketrans({"/": "%2F", "\0": "%00", "%": "%25"})
#: Bytes of a file's name that leave room for the rest of it, and what is kept of a longer one.
_LONGEST_NAME: Final = 250
_KEPT_OF_NAME: Final = 180


@dataclass(frozen=True, slots=True)
class _Work:
    args: tuple[str, ...]
    timeout_s: float
    headers: dict[str, str]


def submission_of(job: Job, *, ticket: str, worker: int, now: float | None = None) -> Submission:
    """Return the task that runs the job on one of the workers; `now`, if it was accepted some time ago."""
    # It was accepted within the second that begins with `posted`; too late is better than too early.
    passed_s = 0.0 if now is None else max(0.0, now - job.posted - 1)
    delay_s = job.delay - passed_s
    work = _work(job)
    fields: dict[str, Any] = {FIELD: job.to_fields()}
    if work.headers:
        fields["Headers"] = work.headers
    return Submission(
        poulpe_type(worker),
        work.args,
        id=ticket,
        delay_s=delay_s if delay_s > 0 else None,
        timeout_s=work.timeout_s,
        fields=fields,
    )


def error_text(job: Job, outcome: Outcome) -> str:
    """Return what clients are told of a failed attempt."""
    if job.kind in {"GET", "POST"}:
        return _BAD_ANSWER if outcome.message.startswith("status ") else _NOT_REACHED
    if job.kind == "MAIL_TO":
        return _mail_error(job, outcome)
    if outcome.verdict is Verdict.FAILED:
        printed = outcome.stdout.text().replace("\n", "<br>")
        return f"执行指令:{job.name} {job.params}<br>报错信息:<br>{printed}"
    return _NOT_STARTED


def dead_letter(job: Job, *, error: str, retries: int) -> bytes:
    """Return the file that is kept of a job whose last attempt has failed."""
    value = {
        "id": job.key,
        "tk_tp": job.method,
        "delay": job.delay,
        "name": job.name,
        "params": job.params,
        "post_time": job.posted,
        "exec_time": 0,
        "retry": retries,
        "cc": list(job.cc),
        "error": error,
        "waiting_resp": job.wait,
        "src_chn": job.source,
    }
    return json.dumps(value, ensure_ascii=False, indent=2).encode(errors="replace")


def dead_letter_path(key: str, *, now: float) -> tuple[str, str]:
    """Return the folder and the name of the file, neither of which leads anywhere else."""
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    name = (key if not set(key) & set("/\0") else key.translate(_UNSAFE)).encode(errors="replace")
    if len(name) > _LONGEST_NAME:  # no file system takes it; a digest keeps it different from others
        name = name[:_KEPT_OF_NAME].decode(errors="ignore").encode() + b"~" + sha256(name).hexdigest()[:16].encode()
    return day, f"{name.decode()}.json"


def _work(job: Job) -> _Work:
    match job.kind:
        case "GET":
            return _Work(("http", "GET", f"{job.name}?{job.params}"), HTTP_S, {})
        case "POST":
            return _Work(("http", "POST", job.name, job.params), HTTP_S, {"Content-Type": "application/json"})
        case "EXEC":
            return _Work(("command", job.name, *words(job.params)), 0.0, {})
        case "MAIL_TO":
            return _Work(("mail", *(_mail(job.params) or ())), MAIL_S, {})
    return _Work((), 0.0, {})


def _mail(params: str) -> tuple[str, ...] | None:
    """Return what a mail is made of; None if the params are not the JSON of one."""
    try:
        value = json.loads(params)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in _MAIL):
        return None
    return tuple(value[name] for name in _MAIL)


def _mail_error(job: Job, outcome: Outcome) -> str:
    if _mail(job.params) is None:
        return _BAD_MAIL
    first = outcome.message.partition("\n")[0]
    return f"{_NO_TLS}{first}" if first.startswith(NOT_RUN) else f"{_NOT_SENT}{first}"
