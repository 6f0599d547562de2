"""`goophry check` (and -t): would it run? One line for each thing looked at."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from goophry import exit_codes
from goophry.cli.checks_of_doors import findings_of_doors
from goophry.cli.checks_of_files import authorities_problem, certificate_problem, log_problem, program_problem
from goophry.cli.checks_of_kinds import findings_of_type
from goophry.cli.checks_of_mail import findings_of_mail
from goophry.cli.checks_of_schedules import findings_of_schedules
from goophry.cli.configuration import path_of, read
from goophry.cli.finding import Finding
from goophry.config import Settings
from goophry.config_address import EMBEDDED
from goophry.errors import StartError, StoreError
from goophry.runners.possible import check_possible
from goophry.store.console import Console
from goophry.store.embedded import find_program, is_running
from goophry.wiring.start_checks import unfit

_PLAIN: Final = {"ok": "ok     ", "problem": "PROBLEM", "warning": "warning"}
_TERMINAL: Final = {"ok": "\x1b[32m✓\x1b[0m", "problem": "\x1b[31m✗\x1b[0m", "warning": "\x1b[33m!\x1b[0m"}


def check(config: Path | None) -> int:
    """Print a line for each thing; FAILED if one of them is a problem. Raises `ConfigError`."""
    path = path_of(config)
    settings = read(path)
    signs = _TERMINAL if sys.stdout.isatty() else _PLAIN
    good = True
    for finding in (Finding("ok", f"configuration {path}"), *findings(settings)):
        print(signs[finding.mark], finding.text)
        good = good and finding.mark != "problem"
    return exit_codes.OK if good else exit_codes.FAILED


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything that `settings` name."""
    for task in settings.tasks:
        yield from findings_of_type(task)
        for problem in check_possible(task):
            yield Finding("problem", problem)
    yield from findings_of_schedules(settings)
    scripts = {task.error_script: None for task in settings.tasks if task.error_script}
    for script in scripts:
        yield Finding.of(f"ErrorScript {script}", program_problem(script))
    if settings.logfile:
        yield Finding.of(f"Logfile {settings.logfile}", log_problem(settings.logfile))
    for key, certificate, secret in (
        ("StatsTLSCertFile", settings.stats_tls_cert_file, settings.stats_tls_key_file),
        ("ApiTLSCertFile", settings.api_tls_cert_file, settings.api_tls_key_file),
        ("RedisTLSCertFile", settings.redis_tls_cert_file, settings.redis_tls_key_file),
    ):
        if certificate and secret:
            yield Finding.of(f"{key} {certificate}", certificate_problem(certificate, secret))
    yield from findings_of_mail(settings)
    yield from findings_of_doors(settings)
    if settings.redis_tls_ca_file:
        yield Finding.of(
            f"RedisTLSCAFile {settings.redis_tls_ca_file}", authorities_problem(settings.redis_tls_ca_file)
        )
    yield from _of_redis(settings)


def _of_redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_address == EMBEDDED and not is_running(settings.redis_data_dir):
        try:
            yield Finding("ok", f"embedded Redis {find_program('redis-server')}, not running now")
        except StartError as error:
            yield Finding("problem", str(error))
        return
    what = f"Redis {settings.redis_address}"
    try:
        with Console(settings) as console:
            info = console.ping()
    except StoreError as error:
        yield Finding("problem", f"{what}: {error}")
        return
    problem = unfit(info, settings)
    yield Finding("problem", problem) if problem else Finding("ok", f"{what}, version {info.version_text}")
    if info.maxmemory_policy != "noeviction":
        text = f"maxmemory-policy is {info.maxmemory_policy}: Redis may throw tasks away, set it to noeviction"
        yield Finding("warning", f"{what}: {text}")
