"""poulpe's cron file: what stands in it, and what of it is passed over."""

from datetime import UTC

import pytest

from goophry.doors.poulpe_cron import BadLine, CronLine, read_cron_file
from goophry.doors.poulpe_run import submission_of

START_S = 1_704_687_999  # 2024-01-08 04:26:39 UTC, a Monday


def read(content: str | bytes) -> list[CronLine | BadLine]:
    return list(read_cron_file(content.encode() if isinstance(content, str) else content, UTC))


def test_a_line_is_a_job_of_each_moment_numbered_without_comments() -> None:
    content = "# sec min\n\n// no comment\n#\n0/30 * * * * * *   http://s/ping\tGET  a=1&b=2   c \r\n* * * * * Mon-Fri 2024-2030 x exec"

    bad, first, second = read(content)

    assert isinstance(bad, BadLine)
    assert (bad.line, bad.reason) == (3, "expected 7 fields of time, a name and a method, found 3 words")
    assert isinstance(first, CronLine)
    assert isinstance(second, CronLine)
    assert (first.number, first.name, first.method, first.params) == (3, "http://s/ping", "GET", "a=1&b=2 c")
    assert (second.number, second.params) == (4, "")
    job = first.job(START_S)
    assert (job.key, job.source, job.cc, job.wait) == ("ST:3-1704687999", "cron", (), 0)


@pytest.mark.parametrize(
    "line",
    [
        "0 0 0 1 1 * name GET",  # no year: the name is taken for it
        "0 0 0 * * 0 * n GET",
        "0 0 0 * * 8 * n GET",
        "60 0 0 * * * * n GET",
        "0 0 0 * * * 1969 n GET",
        "0/0 * * * * * * n GET",
        "5-1 * * * * * * n GET",
        "@daily n GET",
    ],
)
def test_lines_that_are_passed_over_say_why(line: str) -> None:
    (found,) = read(line)

    assert isinstance(found, BadLine)
    assert found.reason


def test_bytes_that_are_no_text_spoil_their_line_only() -> None:
    bad, good = read(b"* * * * * * * \xff GET\n* * * * * * * n GET")

    assert bad == BadLine(1, "it is not UTF-8")
    assert isinstance(good, CronLine)
    assert good.number == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("0 0 0 * * 1 *", "2024-01-14"),  # 1 is Sunday
        ("0 0 0 * * Mon *", "2024-01-15"),
        ("0 0 0 13 * fri *", "2024-09-13"),  # both days must fit
        ("0 0 0 1 FEBRUARY * 2025", "2025-02-01"),
    ],
)
def test_days_are_counted_as_poulpe_does(fields: str, expected: str) -> None:
    from datetime import datetime  # noqa: PLC0415

    (line,) = read(f"{fields} n GET")

    assert isinstance(line, CronLine)
    moment = line.cron.next_after(START_S)
    assert moment is not None
    assert datetime.fromtimestamp(moment, UTC).date().isoformat() == expected


def test_a_mail_may_be_in_it_if_its_white_space_does_not_matter() -> None:
    (line,) = read('0 0 0 * * * * - mail_to {"from_addr":"a@x",  "to_addr":"b@x", "title":"t", "body":"one  two"}')

    assert isinstance(line, CronLine)
    task = submission_of(line.job(START_S), ticket="t", worker=0)
    assert task.args == ("mail", "a@x", "b@x", "t", "one two")
