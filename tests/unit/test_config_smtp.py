"""`Smtp`: one server for all types of Kind `mail`, or one of a type's own; its password is never shown."""

from pathlib import Path
from typing import Any

import pytest
from configs import config, problems

from goophry.config import Settings, Smtp

MAIL = {"Type": "m", "Kind": "mail"}
LOGIN = {"Host": "mail.example", "Username": "me", "Password": "secret"}


def server(tmp_path: Path, **keys: Any) -> Smtp:
    loaded = config(tmp_path, {"Smtp": {"Host": "mail.example"} | keys, "Tasks": [MAIL]}).tasks[0].smtp
    assert loaded is not None
    return loaded


@pytest.mark.parametrize(
    ("keys", "port", "starts_tls"),
    [
        ({}, 587, True),
        ({"TLS": True}, 465, False),
        ({"TLS": True, "StartTLS": False}, 465, False),
        ({"StartTLS": False}, 25, False),
        ({"TLS": False, "StartTLS": True}, 587, True),
        ({"Port": 2525, "TLS": True}, 2525, False),
    ],
)
def test_the_port_is_the_usual_one_unless_given(
    tmp_path: Path, keys: dict[str, Any], port: int, starts_tls: bool
) -> None:
    loaded = server(tmp_path, **keys)

    assert (loaded.service_port, loaded.uses_start_tls) == (port, starts_tls)


@pytest.mark.parametrize(
    ("host", "plain"), [("MAIL.example.", "mail.example"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1")]
)
def test_the_host_is_made_plain(tmp_path: Path, host: str, plain: str) -> None:
    assert server(tmp_path, Host=host).host == plain


def test_a_type_may_have_a_server_of_its_own(tmp_path: Path) -> None:
    own = MAIL | {"Type": "own", "Smtp": {"host": "other.example", "tls": True}}

    loaded = config(tmp_path, {"Smtp": LOGIN, "Tasks": [MAIL, own, {"Type": "s", "Script": "s"}]})

    servers = [task.smtp and task.smtp.host for task in loaded.tasks]
    assert servers == ["mail.example", "other.example", "mail.example"]
    assert loaded.tasks[1].smtp
    assert loaded.tasks[1].smtp.username is None


def test_the_password_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pass word\n")

    loaded = server(tmp_path, Username="me", PasswordFile="password")

    assert (loaded.secret, server(tmp_path, Username="me", Password="other").secret) == ("pass word", "other")
    assert "pass word" not in repr(loaded)


def test_the_server_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"GOOPHRY_SMTP": '{"Host":"mail.example","Port":25}'}

    loaded: Settings = config(tmp_path, {"Tasks": [MAIL]}, environ=environ)

    assert loaded.smtp
    assert loaded.smtp.port == 25


@pytest.mark.parametrize(
    ("smtp", "sentences"),
    [
        (None, ["Smtp: missing, Tasks[0] is of Kind mail and needs it"]),
        ("mail.example", ["Smtp: expected an object, found a string"]),
        ({}, ["Smtp.Host: missing, this key is required"]),
        ({"Host": ""}, ['Smtp.Host: expected text that is not empty, found ""']),
        ({"Host": "a b"}, ['Smtp.Host: expected the name or the address of a host, found "a b"']),
        ({"Host": "h:25"}, ['Smtp.Host: expected the name or the address of a host, found "h:25"']),
        ({"Host": "h", "Port": 0}, ["Smtp.Port: expected 1 or more, found 0"]),
        ({"Host": "h", "Timeout": -1}, ["Smtp.Timeout: expected 0 or more, found -1"]),
        ({"Host": "h", "Tsl": True}, ["Smtp.Tsl: unknown key, did you mean TLS?"]),
        (
            {"Host": "h", "TLS": True, "StartTLS": True},
            ["Smtp.StartTLS: TLS is given too, expected one of the two"],
        ),
        ({"Host": "h", "Username": "me"}, ["Smtp.Password: missing, Username is given and needs it"]),
        ({"Host": "h", "Password": "secret"}, ["Smtp.Username: missing, a password is given and needs it"]),
        (
            LOGIN | {"PasswordFile": "none"},
            [
                "Smtp.PasswordFile: Password is given too, expected one of the two",
                "Smtp.PasswordFile: {folder}/none cannot be read: No such file or directory",
            ],
        ),
        (
            LOGIN | {"StartTLS": False},
            ["Smtp.Username: needs StartTLS or TLS, else the password could be read by all on the way"],
        ),
        (LOGIN | {"Password": ["secret"]}, ["Smtp.Password: expected a string, found an array"]),
        (
            {"Host": "h", "Username": "me", "PasswordFile": 5},
            ["Smtp.PasswordFile: expected the path of a file that holds the password"],
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, smtp: Any, sentences: list[str]) -> None:
    found = problems(tmp_path, {"Smtp": smtp, "Tasks": [MAIL]})

    assert found == [sentence.format(folder=tmp_path) for sentence in sentences]
    assert "secret" not in str(found)


def test_what_is_wrong_in_a_type_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b"\xff")
    own = [
        MAIL | {"Type": name, "Smtp": {"Host": "h", "Username": "me", "PasswordFile": name}}
        for name in ("empty", "latin")
    ]

    assert problems(tmp_path, {"Tasks": own}) == [
        f"Tasks[0].Smtp.PasswordFile: {tmp_path}/empty is empty, expected the password",
        f"Tasks[1].Smtp.PasswordFile: {tmp_path}/latin is not UTF-8",
    ]
