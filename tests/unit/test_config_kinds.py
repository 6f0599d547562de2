"""Keys of a task type that go with its Kind or its Script, and the command line of a Python script."""

from pathlib import Path
from typing import Any

import pytest
from configs import problems, task

from goophry.python_command import PythonCommand, python_command, python_file

NO_PYTHON = "Preload: needs a Script that is a Python file, or a list of a Python interpreter and the file, found "
MAIL = {"Kind": "mail", "Script": None, "Smtp": {"Host": "mail.example"}}
HTTP = {"Kind": "http", "Script": None, "AllowUrls": ["http://h/"]}
URLS = 'AllowUrls: expected a list of URL prefixes, as ["https://api.example.org/v1/"], or ["*"] for all'
ONE_URL = 'AllowUrls: expected URL prefixes, as "https://api.example.org/v1/"'
NETWORKS = 'AllowNetworks: expected a list of networks, as ["10.1.0.0/16","192.168.1.7/32","fd00::/8"]'
PROXY = "Proxy: expected the URL of a proxy, as http://proxy.example.org:3128"
STATUSES = 'Success: expected a list of statuses, as ["200","204"] or ["2xx"]'
ALLOW = 'Allow: expected a list of names or globs of programs, as ["php","/srv/app/bin/*"], or ["*"] for all'


def test_a_persistent_type_loads(tmp_path: Path) -> None:
    loaded = task(tmp_path, Kind="persistent", MaxTasks=1000)

    assert (loaded.kind, loaded.max_tasks) == ("persistent", 1000)


def test_a_command_type_loads(tmp_path: Path) -> None:
    globs = ["php", "./bin/*.sh", "../x//**", "/opt/*/run"]

    loaded = task(tmp_path, Script=None, Kind="command", Allow=globs, MaxTasks=0, Preload=[])

    assert loaded.allow == ("php", f"{tmp_path}/bin/*.sh", f"{tmp_path.parent}/x/**", "/opt/*/run")
    assert (loaded.kind, loaded.script) == ("command", ())


def test_an_http_type_loads(tmp_path: Path) -> None:
    headers = {"X-Key": "secret", "accept": ""}

    loaded = task(
        tmp_path,
        **HTTP,
        AllowNetworks=["10.0.0.0/8", "::1"],
        Headers=headers,
        Success=["200", "3xx"],
        Redirects=3,
        Proxy="http://me:secret@p:3128",
    )

    assert [prefix.text for prefix in loaded.allow_urls] == ["http://h/"]
    assert [str(network) for network in loaded.allow_networks] == ["10.0.0.0/8", "::1/128"]
    assert (str(loaded.proxy), loaded.proxy and loaded.proxy.user) == ("http://p:3128/", "me:secret")
    assert (loaded.headers, loaded.success, loaded.redirects) == (headers, ("200", "3xx"), 3)


@pytest.mark.parametrize(
    "script", ["a.py", ["./python3", "a.py"], ["./python3.12", "-u", "-X", "utf8", "a.py", "first"]]
)
def test_a_python_script_may_be_preloaded(tmp_path: Path, script: Any) -> None:
    assert task(tmp_path, Script=script, Preload=["json", "http.client"]).preload == ("json", "http.client")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"Kind": "forked"}, 'Kind: expected "script", "persistent", "command", "http" or "mail", found "forked"'),
        (
            {"Kind": "forked", "Allow": ["*"]},
            'Kind: expected "script", "persistent", "command", "http" or "mail", found "forked"',
        ),
        ({"MaxTasks": -1, "Kind": "persistent"}, "MaxTasks: expected 0 or more, found -1"),
        ({"Kind": "persistent", "Script": None}, "Script: missing, this key is required"),
        (
            {"Kind": "command", "Allow": ["*"]},
            "Script: is for Kind script or persistent, and this type is of Kind command",
        ),
        ({"Kind": "command", "Script": None}, "Allow: missing, Kind command needs it"),
        ({"Allow": ["*"]}, "Allow: is for Kind command, and this type is of Kind script"),
        (
            {"FailOnStderr": True, "Kind": "persistent"},
            "FailOnStderr: is for Kind script or command, and this type is of Kind persistent",
        ),
        ({"Kind": "command", "Script": None, "Allow": "*"}, f'{ALLOW}, found "*"'),
        ({"Kind": "command", "Script": None, "Allow": []}, f"{ALLOW}, found []"),
        ({"Kind": "command", "Script": None, "Allow": ["a", ""]}, f'{ALLOW}, found ["a",""]'),
        ({"Kind": "command", "Script": None, "Allow": ["a\0"]}, f'{ALLOW}, found ["a\\u0000"]'),
        (HTTP | {"AllowUrls": None}, "AllowUrls: missing, Kind http needs it"),
        (
            HTTP | {"Allow": ["*"]},
            "Allow: is for Kind command, and this type is of Kind http",
        ),
        (
            HTTP | {"KillGrace": 1},
            "KillGrace: is for Kind script, persistent or command, and this type is of Kind http",
        ),
        (
            HTTP | {"FailOnOutput": False},
            "FailOnOutput: is for Kind script, persistent or command, and this type is of Kind http",
        ),
        ({"Redirects": 1}, "Redirects: is for Kind http, and this type is of Kind script"),
        (HTTP | {"AllowUrls": []}, f"{URLS}, found []"),
        (HTTP | {"AllowUrls": "http://h/"}, f'{URLS}, found "http://h/"'),
        (
            HTTP | {"AllowUrls": ["h"]},
            f'{ONE_URL}: it begins with http:// or https://, found ["h"]',
        ),
        (
            HTTP | {"AllowUrls": ["http://h", "http://u:p@h"]},
            f'{ONE_URL}: it has no user, no query, no fragment and nothing percent-encoded, found ["http://…@h"]',
        ),
        (
            HTTP | {"AllowUrls": ["http://127.1"]},
            f'{ONE_URL}: the host of the URL is an address in a form that is not taken, found ["http://127.1"]',
        ),
        (HTTP | {"AllowNetworks": ["10.0.0.1/8"]}, f'{NETWORKS}, found ["10.0.0.1/8"]'),
        (HTTP | {"AllowNetworks": "10.0.0.0/8"}, f'{NETWORKS}, found "10.0.0.0/8"'),
        (HTTP | {"AllowNetworks": [10]}, f"{NETWORKS}, found [10]"),
        (HTTP | {"AllowNetworks": 10}, f"{NETWORKS}, found 10"),
        (HTTP | {"Success": ["600"]}, f'{STATUSES}, found ["600"]'),
        (HTTP | {"Success": [200]}, f"{STATUSES}, found [200]"),
        (HTTP | {"Success": []}, f"{STATUSES}, found []"),
        (
            HTTP | {"Smtp": {"Host": "h"}},
            "Smtp: is for Kind mail, and this type is of Kind http",
        ),
        (
            MAIL | {"OutputLimit": 5000},
            "OutputLimit: is for Kind script, persistent, command or http, and this type is of Kind mail",
        ),
        (HTTP | {"Proxy": "https://p"}, f'{PROXY}, found "https://p"'),
        (HTTP | {"Proxy": "http://u:pw@p/x"}, f'{PROXY}, found "http://…@p/x"'),
        (HTTP | {"Proxy": 1}, f"{PROXY}, found 1"),
        (HTTP | {"Redirects": -1}, "Redirects: expected 0 or more, found -1"),
        (HTTP | {"Redirects": 51}, "Redirects: expected at most 50, found 51"),
        (
            HTTP | {"Headers": ["secret"]},
            'Headers: expected an object of strings, as {"Accept":"text/plain"}, found an array',
        ),
        (
            HTTP | {"Headers": {"A": "secret\n"}},
            "Headers: expected one line of Latin-1 text as the value of A, found an object",
        ),
        (
            HTTP | {"Headers": {"Content-Length": "5"}},
            "Headers: expected other headers than Content-Length, which nobody may set here, found an object",
        ),
        ({"MaxTasks": 5}, "MaxTasks: is for Kind persistent, and this type is of Kind script"),
        (
            {"Preload": ["json"], "Kind": "persistent"},
            "Preload: is for Kind script, and this type is of Kind persistent",
        ),
        (
            {"Preload": "json"},
            'Preload: expected a list of names of Python modules, as ["json","http.client"], found "json"',
        ),
        (
            {"Preload": ["a-b"]},
            'Preload: expected a list of names of Python modules, as ["json","http.client"], found ["a-b"]',
        ),
        (
            {"Preload": ["json"], "Script": ["/bin/sh", "x.py"]},
            NO_PYTHON + '["/bin/sh","x.py"]',
        ),
        (
            {"Preload": ["json"], "Script": ["/bin/python3", "-m", "x"]},
            NO_PYTHON + '["/bin/python3","-m","x"]',
        ),
        (
            {"Preload": ["json"], "Script": ["/bin/python3"]},
            NO_PYTHON + '["/bin/python3"]',
        ),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    tasks = [{"Type": "a", "Script": "a.py"} | keys]

    assert problems(tmp_path, {"Tasks": tasks}) == [f"Tasks[0].{sentence}"]


def test_a_command_line_is_taken_apart() -> None:
    words = ["/bin/python3.13t", "-u", "-W", "ignore", "-Xdev", "x.py", "-c", "b"]

    assert python_command(words) == PythonCommand(words[0], ("-u", "-W", "ignore", "-Xdev"), "x.py", ("-c", "b"))


@pytest.mark.parametrize(
    ("line", "interpreter", "options"),
    [
        ("#!/usr/bin/python3", "/usr/bin/python3", ()),
        ("#! /usr/bin/python3 -u", "/usr/bin/python3", ("-u",)),
        ("#!/usr/bin/env python3", "python3", ()),
        ("#!/usr/bin/env -S python3 -u -I", "python3", ("-u", "-I")),
    ],
)
def test_the_first_line_of_a_file_is_taken_apart(
    tmp_path: Path, line: str, interpreter: str, options: tuple[str, ...]
) -> None:
    path = tmp_path / "x.py"
    path.write_text(f"{line}\npass\n")

    assert python_file(path) == PythonCommand(interpreter, options, str(path), ())


@pytest.mark.parametrize(
    "text", ["", "pass", "#!", "#!/usr/bin/env", "#!/bin/sh\n", "#!/usr/bin/env VAR=1 python3", '#!"']
)
def test_a_file_of_another_interpreter_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.py"
    path.write_text(text)

    with pytest.raises(ValueError, match=str(path)):
        python_file(path)
