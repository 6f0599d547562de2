"""What must hold between the keys of the API."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from goophry.config_address import host_and_port
from goophry.config_sentences import Problem, shown


def problems_of_api(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not fit together; values of a wrong type are left to the models."""
    interface, tokens = values.get("ApiInterface"), values.get("ApiTokens")
    found = host_and_port(interface) if isinstance(interface, str) else None
    if found is not None and not tokens and not is_loopback(found[0]):
        yield Problem(
            ("ApiInterface",), f"expected 127.0.0.1:port or [::1]:port as there are no ApiTokens, found {interface}"
        )
    first: dict[str, int] = {}
    for index, token in enumerate(tokens if isinstance(tokens, list) else []):
        if not isinstance(token, dict):
            continue
        yield from _one_of_two(index, token)
        name = token.get("Name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            text = f"{shown(name)} is the Name of ApiTokens[{first[name]}] already"
            yield Problem(("ApiTokens", index, "Name"), text)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`, as an address or as `localhost`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, or nothing, which is every address
        return False


def _one_of_two(index: int, token: Mapping[str, Any]) -> Iterator[Problem]:
    if "Token" in token and "TokenFile" in token:
        yield Problem(("ApiTokens", index, "TokenFile"), "Token is given too, expected one of the two")
    elif "Token" not in token and "TokenFile" not in token:
        yield Problem(("ApiTokens", index, "Token"), "missing, expected it or TokenFile")
