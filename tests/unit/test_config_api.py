"""ApiInterface, ApiTokens and the certificate of the API."""

import json
from pathlib import Path
from typing import Any

import pytest

from goophry.config import Settings, load
from goophry.errors import ConfigError

TOKEN = "a-token-of-sixteen-and-more"


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    def load_(*, environ: dict[str, str] | None = None, **keys: Any) -> Settings:
        path = tmp_path / "goophry.config.json"
        path.write_text(json.dumps({"RedisQueueKey": "q", "Tasks": [{"Type": "t", "Script": "x"}], **keys}))
        return load(path, environ=environ or {})

    return load_


def problems(loaded: Any, **keys: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(**keys)
    return caught.value.problems


def test_token_comes_from_the_file_that_is_named(loaded: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    settings = loaded(ApiInterface=":8300", ApiTokens=[{"Name": "ci", "Role": "submitter", "TokenFile": "token"}])

    assert settings.api_tokens[0].token.get_secret_value() == TOKEN
    assert TOKEN not in repr(settings)


def test_tokens_come_from_the_environment(loaded: Any) -> None:
    tokens = json.dumps([{"Name": "me", "Role": "operator", "Token": TOKEN}])

    settings = loaded(environ={"GOOPHRY_API_TOKENS": tokens, "GOOPHRY_API_INTERFACE": "0.0.0.0:1"})

    assert settings.api_tokens[0].role == "operator"
    assert settings.api_interface == "0.0.0.0:1"


@pytest.mark.parametrize("interface", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_loopback_needs_no_tokens(loaded: Any, interface: str) -> None:
    assert loaded(ApiInterface=interface).api_interface == interface


@pytest.mark.parametrize("interface", [":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1"])
def test_everything_else_is_refused_without_tokens(loaded: Any, interface: str) -> None:
    expected = f"ApiInterface: expected 127.0.0.1:port or [::1]:port as there are no ApiTokens, found {interface}"

    assert problems(loaded, ApiInterface=interface) == [expected]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ({}, "ApiTokens[0].Token: missing, expected it or TokenFile"),
        ({"Token": TOKEN, "TokenFile": "f"}, "ApiTokens[0].TokenFile: Token is given too, expected one of the two"),
        ({"Token": "short"}, "ApiTokens[0].Token: expected at least 16 characters, found a string"),
        (
            {"Token": "sixteen characters"},
            "ApiTokens[0].Token: expected printable ASCII characters without blanks, for it travels in a header, found a string",
        ),
    ],
)
def test_bad_tokens_are_told_and_never_shown(loaded: Any, token: dict[str, str], expected: str) -> None:
    given = [{"Name": "n", "Role": "viewer", **token}]

    assert expected in problems(loaded, ApiTokens=given)


def test_file_that_holds_no_token_is_told(loaded: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "short").write_text("secret")
    given = [{"Name": name, "Role": "viewer", "TokenFile": name} for name in ("empty", "short", "none")]

    found = problems(loaded, ApiTokens=given)

    assert found == [
        f"ApiTokens[0].TokenFile: {tmp_path}/empty is empty, expected the token",
        "ApiTokens[1].TokenFile: expected in the file at least 16 characters",
        f"ApiTokens[2].TokenFile: {tmp_path}/none cannot be read: No such file or directory",
    ]


def test_names_differ_and_roles_are_known(loaded: Any) -> None:
    given = [{"Name": "n", "Role": "viewer", "Token": TOKEN}, {"Name": "n", "Role": "root", "Token": TOKEN}]

    assert problems(loaded, ApiTokens=given) == [
        'ApiTokens[1].Name: "n" is the Name of ApiTokens[0] already',
        'ApiTokens[1].Role: expected "viewer", "submitter" or "operator", found "root"',
    ]


@pytest.mark.parametrize("server", ["Stats", "Api"])
def test_certificate_and_key_come_together(loaded: Any, server: str) -> None:
    expected = [f"{server}TLSKeyFile: missing, {server}TLSCertFile is given and needs it"]

    assert problems(loaded, **{f"{server}TLSCertFile": "c"}) == expected
