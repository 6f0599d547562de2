"""The `http` kind: a request for each entry, to where the type allows it and nowhere else.

Each address that is connected to was looked up once and held against the rules; so was each
redirect's. With a proxy it is the proxy who looks names up. No connection is used twice.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job
from goophry.runners.endings import TAIL_BYTES
from goophry.runners.errand import Errand, run_errand
from goophry.runners.http_exchange import Answer, NoAnswer, exchange
from goophry.runners.http_proxy import open_tunnel
from goophry.runners.http_request import Request, read_request, shown
from goophry.runners.names import Names, UnknownName
from goophry.runners.patience import Patience
from goophry.runners.refused import Refused
from goophry.runners.stream import Stream, connect
from goophry.runners.troubles import in_words
from goophry.url_prefixes import Network, UrlPrefix, may_reach
from goophry.urls import Address, Url, literal_address

_HTTPS: Final = "https"


@dataclass(frozen=True, slots=True)
class HttpRules:
    """What a type says about its requests."""

    prefixes: Sequence[UrlPrefix]
    networks: Sequence[Network]
    headers: Mapping[str, str]
    success: Sequence[str]
    redirects: int
    proxy: Url | None = None

    def is_success(self, status: int) -> bool:
        """Whether the status is one that the type wants."""
        return any(text in {str(status), f"{status // 100}xx"} for text in self.success)


class HttpRunner:
    """Makes the requests of one worker; its thread is the only one that waits."""

    def __init__(
        self, rules: HttpRules, *, names: Names, tls: Callable[[], ssl.SSLContext], timeout_s: float, output_limit: int
    ) -> None:
        self._rules = rules
        self._names = names
        self._tls = tls
        self._timeout_s = timeout_s
        self._output_limit = output_limit
        self._patience = Patience()

    def run(self, job: Job) -> Outcome:
        """Make the request of one entry; one that may not be made is an outcome too."""
        return run_errand(self._errand, job, self._patience, timeout_s=job.timeout_s(self._timeout_s))

    def close(self) -> None:
        """Free what is held between runs."""
        self._patience.close()
        self._names.close()

    def _errand(self, entry: TaskEntry) -> Errand:
        request = read_request(entry, self._rules.headers)
        return Errand(str(request), partial(self._outcome_of, request))

    def _outcome_of(self, request: Request) -> Outcome:
        """Make the request and judge the answer. Raises `Refused`, `NoAnswer` and `RunEnded`."""
        answer = self._final_answer(request)
        if self._rules.is_success(answer.status):
            return Outcome(Verdict.SUCCESS, stdout=answer.body)
        text = f"status {answer.status}"
        tail = answer.body.last(TAIL_BYTES).rstrip("\r\n")
        return Outcome(Verdict.FAILED, f"{text}\n\n{tail}" if tail else text, stdout=answer.body)

    def _final_answer(self, request: Request) -> Answer:
        """Return the answer that leads nowhere else. Raises `Refused`, `NoAnswer` and `RunEnded`."""
        left = self._rules.redirects
        answer = self._answer(request, left)
        while answer.location is not None and self._rules.redirects:
            if not left:
                raise NoAnswer(f"stopped after {self._rules.redirects} redirects")
            left -= 1
            request = self._next_request(request, answer.status, answer.location)
            try:
                answer = self._answer(request, left)
            except (Refused, NoAnswer) as reason:
                raise NoAnswer(f"redirected to {shown(request.url)}: {reason}") from reason
        return answer

    def _next_request(self, request: Request, status: int, location: str) -> Request:
        try:
            return request.redirected(request.url.joined(location), status)
        except ValueError as error:
            raise NoAnswer(f"redirected to what cannot be requested: {error}") from error

    def _answer(self, request: Request, redirects_left: int) -> Answer:
        """Ask once. Raises `Refused`, `NoAnswer` and `RunEnded`."""
        url, proxy = request.url, self._rules.proxy
        place = url if proxy is None else proxy
        addresses = self._addresses(url)
        try:
            stream = connect(addresses, place.port, self._patience)
        except OSError as error:
            raise NoAnswer(in_words(error)) from error
        try:
            if url.scheme == _HTTPS:
                self._secure(stream, url)
                proxy = None
            return exchange(
                replace(request, proxy=proxy),
                stream,
                self._patience,
                keep_body=lambda answer: self._output_limit > 0 and (answer.location is None or not redirects_left),
                output_limit=self._output_limit,
            )
        finally:
            stream.end()

    def _addresses(self, url: Url) -> list[Address]:
        """Return where to connect to for `url`, which is allowed then."""
        prefixes = [prefix for prefix in self._rules.prefixes if prefix.matches(url)]
        if not prefixes:
            raise Refused(f"not allowed: no prefix of AllowUrls matches {shown(url)}")
        proxy = self._rules.proxy
        if proxy is None:
            return self._reachable(url.host, prefixes)
        if literal_address(url.host) is not None:
            self._reachable(url.host, prefixes)
        return self._looked_up(proxy.host)

    def _reachable(self, host: str, prefixes: Sequence[UrlPrefix]) -> list[Address]:
        addresses = self._looked_up(host)
        networks = self._rules.networks
        allowed = [each for each in addresses if may_reach(each, host, prefixes=prefixes, networks=networks)]
        if not allowed:
            is_name = literal_address(host) is None
            where = f"{host} is at {addresses[0]}, which is not public" if is_name else f"{host} is not public"
            raise Refused(f"not allowed: {where}, and AllowNetworks does not name its network")
        return allowed

    def _looked_up(self, host: str) -> list[Address]:
        try:
            return self._names.addresses(host, self._patience)
        except UnknownName as error:
            raise NoAnswer(str(error)) from error

    def _secure(self, stream: Stream, url: Url) -> None:
        if self._rules.proxy is not None:
            open_tunnel(stream, url, self._rules.proxy, self._patience)
        self._patience.doing = f"agreeing on TLS with {url.host}"
        try:
            stream.start_tls(self._tls(), server_hostname=url.host)
        except OSError as error:
            raise NoAnswer(in_words(error)) from error
