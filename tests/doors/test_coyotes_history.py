"""The history of runs in an SQL database: SQLite, and a real MariaDB where there is one."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from conftest import eventually, free_port
from doors.door_site import DoorSite
from doors.http_client import ask
from sqlalchemy.exc import SQLAlchemyError

pytest_plugins = ("doors.fixtures",)

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/history.db"
        return
    if shutil.which("mariadbd") is None:
        pytest.skip("there is no MariaDB here")
    folder, port = tmp_path / "mariadb", free_port()
    folder.mkdir()
    common = ["--no-defaults", f"--datadir={folder}/data", "--user=root"]
    subprocess.run(["mariadb-install-db", *common, "--auth-root-authentication-method=normal"], check=True, stdout=-3)
    options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", "--skip-grant-tables"]
    server = subprocess.Popen(["mariadbd", *common, *options, "--skip-networking=0"], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _made(f"mysql+pymysql://root@127.0.0.1:{port}/"), within=60, every=0.2, what="MariaDB")
        yield f"mysql+pymysql://root@127.0.0.1:{port}/coyotes"
    finally:
        server.terminate()
        server.wait(30)


def _made(url: str) -> bool:
    engine = sql.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(sql.text("CREATE DATABASE IF NOT EXISTS coyotes CHARACTER SET utf8mb4"))
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()
    return True


def rows(url: str) -> list[dict[str, Any]]:
    engine = sql.create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(sql.text("SELECT * FROM histories ORDER BY id"))
            return [dict(row) for row in found.mappings()]
    finally:
        engine.dispose()


def push(site: DoorSite, form: str) -> None:
    answer = ask(site.coyotes, "POST", "/channels/default/tasks", form, content_type=FORM)
    assert json.loads(answer.body)["status_code"] == 200


def test_each_end_is_a_row(door_site: Callable[..., DoorSite], database: str) -> None:
    site = door_site(doors={"Coyotes": {"HistoryUrl": database, "HistoryKeepDays": 1, "BizName": "shop"}})

    push(site, "task=good+%F0%9F%98%80&command=sh&args=-c&args=echo+out;echo+err+>%262&id=1".replace(";", "%3B"))
    eventually(lambda: len(rows(database)) == 1)
    push(site, f"task={'x' * 300}&command=false&id=2")
    eventually(lambda: len(rows(database)) == 2)
    ask(site.coyotes, "POST", "/channels/default/failed-tasks/2")
    eventually(lambda: len(rows(database)) == 3)

    good, bad, again = rows(database)
    assert (good["task_name"], good["channel"], good["biz_name"]) == ("good 😀", "default", "shop")
    assert (good["command"], good["status"], good["failed_at"]) == ("sh -c echo out;echo err >&2", 1, None)
    assert (good["stdout"], good["stderr"], good["task_id"], good["exit_code"]) == ("out\n", "err\n", "1", 0)
    assert (bad["status"], bad["retry_cnt"], bad["exit_code"], len(bad["task_name"])) == (0, 0, 1, 255)
    assert again["retry_cnt"] == 1
    assert bad["failed_at"] is not None


def test_a_database_that_cannot_be_used_ends_the_start(door_site: Callable[..., DoorSite], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nowhere/history.db"

    site = door_site(ready=False, doors={"Coyotes": {"HistoryUrl": url}})

    assert site.goophry.wait() == 1
    assert "Doors.Coyotes.HistoryUrl" in site.goophry.log
    assert "Traceback" not in site.goophry.log


def test_a_table_that_coyotes_made_is_used_as_it_is(door_site: Callable[..., DoorSite], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        columns = "id INTEGER PRIMARY KEY, task_name TEXT, command TEXT, channel TEXT, status INT, retry_cnt INT"
        connection.execute(
            sql.text(
                f"CREATE TABLE histories ({columns}, stdout TEXT, stderr TEXT, execute_at TIMESTAMP, failed_at TIMESTAMP, created_at TIMESTAMP)"
            )
        )
    engine.dispose()
    site = door_site(doors={"Coyotes": {"HistoryUrl": url}})

    push(site, "task=true")

    eventually(lambda: [(row["task_name"], row["command"]) for row in rows(url)] == [("true", " ")])
