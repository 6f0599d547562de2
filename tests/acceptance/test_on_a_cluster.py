"""The whole program on a real cluster: all that has keys of its own, or speaks to all instances."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.goophry_process import COMMAND, Goophry
from acceptance.poulpe_site import Client as PoulpeClient
from acceptance.poulpe_site import message
from acceptance.stats_client import metric
from conftest import eventually, free_port
from doors.door_site import DoorSite
from doors.http_client import ask
from redis_cluster import RedisCluster

from goophry import exit_codes
from goophry.client import Client

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster"), replicas=0) as made:
        yield made


def command(running: Goophry, *arguments: str) -> str:
    line = [*COMMAND, *arguments, "-c", str(running.path)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_tasks_live_on_a_cluster_as_on_a_single_server(
    goophry: Start, nodes: RedisCluster, script: MakeScript, tmp_path: Path
) -> None:
    """Types on every node; successes, failures, tries, delays, results, cancellation, pauses, schedules, stats."""
    client, port = nodes.client(), free_port()
    ok = script(f'echo "$GOOPHRY_TYPE $1" >> {tmp_path}/ran')
    second = script('[ "$GOOPHRY_ATTEMPT" = 2 ]')
    long = script(f"touch {tmp_path}/up; sleep 600")
    names = [f"t{number}" for number in range(9)]
    running = goophry(
        *[{"Type": name, "Script": str(ok)} for name in names],
        {"Type": "bad", "Script": str(script("exit 3")), "FailedTasksTTL": 600},
        {"Type": "second", "Script": str(second), "Retry": [0.05], "Unique": {"Until": "end"}},
        {"Type": "long", "Script": str(long)},
        client=client,
        RedisAddress=nodes.address,
        StatsInterface=f"127.0.0.1:{port}",
        Schedules=[{"Name": "s", "Cron": "* * * * * *", "Type": "t0", "Args": ["tick"]}],
    )
    assert len({nodes.owner(running.queue(name)).port for name in names}) == 3

    for name in names:
        running.push(name, "pushed")
    running.push("bad", "a")
    with Client(nodes.address, running.queue_key) as tasks:
        later = tasks.push("t1", "later", delay_s=0.2)
        tried = tasks.push("second", "x")
        ended = tasks.push("long", "x")
        eventually((tmp_path / "up").exists)
        assert tasks.cancel(ended) == "told"
        results = {name: tasks.wait(name, timeout_s=20) for name in (later, tried, ended)}
    assert {name: (r.outcome, r.attempt) for name, r in results.items() if r is not None} == {
        later: ("success", 1),
        tried: ("success", 2),
        ended: ("cancelled", 1),
    }
    wanted = {f"{name} pushed" for name in names} | {"t1 later", "t0 tick"}
    eventually(lambda: wanted <= set((tmp_path / "ran").read_text().splitlines()), what="all has run")

    assert running.wait_failed("bad") == [b'{"Args":["a"],"ErrorMessage":"exit status 3"}']
    command(running, "failed", "retry", "bad", "--all")
    eventually(lambda: len(running.events("task.finished", type="bad")) == 2, what="it was put back and failed again")
    assert metric(port, "goophry_queue_length", type="bad", state="failed") == 1
    assert metric(port, "goophry_redis_up") == 1
    status = json.loads(command(running, "status", "--json"))
    assert status
    assert "redis+cluster://" in command(running, "check")

    assert running.stop() == exit_codes.OK
    assert not running.events("store.lost")
    assert "Traceback" not in running.log
    client.close()


def test_what_a_killed_instance_held_is_recovered_also_without_the_set_of_owners(
    goophry: Start, nodes: RedisCluster, script: MakeScript, tmp_path: Path
) -> None:
    """The search for its running lists goes through all nodes."""
    client = nodes.client()
    program = str(script(f"echo $GOOPHRY_TYPE >> {tmp_path}/ran; [ -e {tmp_path}/go ] || sleep 1000"))
    names = [f"u{number}" for number in range(6)]
    tasks = [{"Type": name, "Script": program} for name in names]
    first = goophry(*tasks, client=client, RedisAddress=nodes.address)
    for name in names:
        first.push(name)
    eventually(lambda: (tmp_path / "ran").exists() and len((tmp_path / "ran").read_text().split()) == 6)
    first.kill()
    (tmp_path / "go").touch()
    for name in names:
        client.delete(f"{{{first.queue(name)}}}:instances")

    second = goophry(*tasks, client=client, RedisAddress=nodes.address)

    for name in names:
        second.wait_event("entries.recovered", type=name, count=1)
    eventually(lambda: second.drained(*names))
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(names * 2)
    assert second.stop() == exit_codes.OK
    client.close()


@pytest.fixture
def doors(nodes: RedisCluster, tmp_path: Path) -> Iterator[tuple[DoorSite, PoulpeClient]]:
    """All doors on the cluster, not yet started; poulpe's has a client."""
    client = nodes.client()
    site = DoorSite(tmp_path, redis_address=nodes.address, client=client)
    poulpe = PoulpeClient(f"127.0.0.1:{free_port()}")
    site.config["Doors"]["Poulpe"] = {"Interface": poulpe.address, "DeadDir": str(tmp_path / "dead"), "Allow": ["*"]}
    (tmp_path / "config.json").write_text(json.dumps(site.config))
    yield site, poulpe
    site.close()
    client.close()


def told(address: str, path: str) -> str:
    answer = ask(address, "GET", path)
    return answer.text if answer.status == 200 else ""


def test_doors_serve_their_clients_on_a_cluster(doors: tuple[DoorSite, PoulpeClient], tmp_path: Path) -> None:
    """Over HTTP and by the prepare list; what a dead instance had in hand comes back, also to the list on another node."""
    site, poulpe = doors
    for name in ("in-hand", "pushed"):
        entry = json.dumps({"task": f"touch {tmp_path}/{name}", "chan": "default"})
        where = "{%s:task:prepare:queue}:taken:dead" if name == "in-hand" else "%s:task:prepare:queue"
        site.client.lpush(where % site.biz_name, entry)
    site.client.sadd(f"{{{site.key}:coyotes}}:takers", "dead")

    site.start()
    body = f"task=x&command=touch&args={tmp_path}/posted"
    ask(site.coyotes, "POST", "/channels/biz/tasks", body, content_type="application/x-www-form-urlencoded")
    script = json.dumps({"bin_name": "example", "args": "1 2"})
    task_id = json.loads(
        ask(site.kingtask, "POST", "/api/v1/task/script", script, content_type="application/json").body
    )
    poulpe.post(**message("a", "EXEC", "/bin/true"))

    eventually(lambda: all((tmp_path / name).exists() for name in ("in-hand", "pushed", "posted")))
    result = eventually(lambda: told(site.kingtask, f"/api/v1/task/result/{task_id}"), what="kingtask's result")
    assert json.loads(str(result)) == {"is_result_exist": 1, "is_success": 1, "message": "3"}
    eventually(lambda: poulpe.response("a") == '{"reason":"","result":"OK"}', what="poulpe's result")
    assert site.goophry.stop() == exit_codes.OK
    assert "Traceback" not in site.goophry.log
    assert not site.goophry.events("store.lost")


def test_what_old_daemons_left_on_all_nodes_of_a_cluster_is_taken_over(
    doors: tuple[DoorSite, PoulpeClient], nodes: RedisCluster, tmp_path: Path
) -> None:
    site, poulpe = doors
    days = [f"2026-01-0{number}" for number in range(1, 10)]
    for number, day in enumerate(days, 1):
        site.client.set(f"success_task_count:{day}", number)
        site.client.rpush(f"resp:task-{day}", "OK")
    # One that an import before this one had added, and not removed, when it was interrupted: it had grown by 4 since.
    site.client.set(f"{{{site.key}:kingtask}}:success:{days[8]}", 5)
    site.client.set(f"{{{site.key}:kingtask}}:imported:success_task_count:{days[8]}", 5)
    assert len({nodes.owner(f"success_task_count:{day}").port for day in days}) == 3

    for system in ("kingtask", "poulpe"):
        words = ("import", system, "-c", str(tmp_path / "config.json"), "--go")
        ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "9 " in ended.stdout
    site.start()

    counts = [told(site.kingtask, f"/api/v1/task/result/success/{day}") for day in days]
    assert counts == [str(number) for number in range(1, 10)]
    assert [poulpe.response(day) for day in days] == ['{"reason":"","result":"OK"}'] * 9
    assert not list(site.client.scan_iter("success_task_count:*"))
    assert not list(site.client.scan_iter("*:imported:*"))


def test_the_address_of_a_node_alone_is_refused(nodes: RedisCluster, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    tasks = [{"Type": "t", "Script": "/bin/true"}]
    path.write_text(json.dumps({"RedisAddress": nodes.servers[0].address, "RedisQueueKey": "q", "Tasks": tasks}))

    ended = subprocess.run(
        [sys.executable, "-m", "goophry", "-c", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ},
    )

    assert ended.returncode == exit_codes.FAILED
    assert "is a node of a cluster, whose RedisAddress is redis+cluster://…" in ended.stdout + ended.stderr
