"""The files of deploy/: what can be checked without the programs that read them."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from goophry.cli.commands import app
from goophry.config import Settings, load
from goophry.config_fields import variables_of
from goophry.web.models import Overview, RedisState, TypeRow
from goophry.web.scale import Here, numbers
from goophry.web.stats_page import SCALE

DEPLOY = Path(__file__).parent.parent / "deploy"
ROOT = DEPLOY.parent
MANIFESTS = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
DEPLOYMENT = next(each for each in MANIFESTS if each["kind"] == "Deployment")
(CONTAINER,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"]
TRIGGERS = [trigger for each in MANIFESTS for trigger in each.get("spec", {}).get("triggers", ())]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line.strip()]


def test_the_image_knows_only_instructions_that_there_are() -> None:
    known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
    ]

    assert {name for name, _ in instructions()} <= set(known)


def test_the_image_copies_what_is_there_and_runs_as_an_ordinary_user() -> None:
    copied = [shlex.split(rest)[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    users = [rest for name, rest in instructions() if name == "USER"]

    assert all((ROOT / source).exists() for sources in copied for source in sources)
    assert users == ["10001"]
    assert instructions()[-2:] == [
        ("ENTRYPOINT", '["goophry"]'),
        ("CMD", '["-c", "/srv/app/goophry.config.json"]'),
    ]


def test_the_commands_in_exec_form_are_json_and_the_health_check_compiles() -> None:
    forms = [rest for name, rest in instructions() if name in {"ENTRYPOINT", "CMD"}]
    forms += [rest.partition(" CMD ")[2] for name, rest in instructions() if name == "HEALTHCHECK"]

    words = [json.loads(form) for form in forms]

    compile(next(each for each in words if each[0] == "python")[2], "healthcheck", "exec")


def test_compose_names_variables_that_there_are_and_waits_longer_than_goophry() -> None:
    service = COMPOSE["services"]["goophry"]
    environment = service["environment"]

    assert set(environment) <= set(variables_of(Settings).values())
    assert int(service["stop_grace_period"].rstrip("s")) >= int(environment["GOOPHRY_SHUTDOWN_TIMEOUT"]) + 80
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT


def test_the_configuration_in_the_config_map_is_one(tmp_path: Path) -> None:
    (config_map,) = [each for each in MANIFESTS if each["kind"] == "ConfigMap"]
    path = tmp_path / "goophry.config.json"
    path.write_text(config_map["data"]["goophry.config.json"])

    settings = load(path, environ={})

    pod = DEPLOYMENT["spec"]["template"]["spec"]
    grace = max(task.kill_grace for task in settings.tasks)
    assert pod["terminationGracePeriodSeconds"] >= (settings.shutdown_timeout or 0) + grace + 80
    assert settings.stats_interface == f":{CONTAINER['ports'][0]['containerPort']}"
    assert {each["name"] for each in CONTAINER["env"]} <= set(variables_of(Settings).values())


def test_the_pod_is_locked_down_and_probed_where_goophry_answers() -> None:
    pod = DEPLOYMENT["spec"]["template"]["spec"]
    security = CONTAINER["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert CONTAINER["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "stats"}
    assert CONTAINER["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "stats"}
    mounts = {mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_the_image_is_built_as_linters_of_dockerfiles_ask() -> None:
    """What hadolint warns of, and this file could have: its numbers are in the comments."""
    found = instructions()
    of = {name: [rest for each, rest in found if each == name] for name, _ in found}
    runs = " && ".join(of["RUN"])

    assert all(re.fullmatch(r"\S+:\d\S*( AS \w+)?", rest) for rest in of["FROM"])  # DL3006, DL3007, DL3029
    assert all(rest.startswith("/") for rest in of["WORKDIR"])  # DL3000
    assert of["USER"][-1] not in {"root", "0"}  # DL3002
    assert not re.search(r"\b(cd|sudo|ssh|vim|shutdown|service|ps|free|top|kill|mount)\b", runs)  # DL3001, 3003, 3004
    assert all("--no-cache-dir" in rest for rest in of["RUN"] if "pip install" in rest)  # DL3042
    assert all("--no-install-recommends" in rest for rest in of["RUN"] if "apt-get install" in rest)  # DL3015
    assert all("/var/lib/apt/lists" in rest for rest in of["RUN"] if "apt-get" in rest)  # DL3009
    assert "|" not in runs  # DL4006
    assert all(len(of[name]) == 1 for name in ("HEALTHCHECK", "CMD", "ENTRYPOINT"))  # DL3012, DL4003, DL4004
    assert all(rest.startswith("[") for name in ("CMD", "ENTRYPOINT") for rest in of[name])  # DL3025
    assert all(int(port) < 65536 for port in of["EXPOSE"])  # DL3011
    named = {rest.split(" AS ")[1] for rest in of["FROM"] if " AS " in rest}
    assert {rest.partition("--from=")[2].split()[0] for rest in of["COPY"] if "--from" in rest} <= named  # DL3022


def test_the_service_reaches_the_pods_and_scaling_asks_it_for_a_number_that_there_is() -> None:
    (service,) = [each for each in MANIFESTS if each["kind"] == "Service"]
    (asking,) = [trigger for trigger in TRIGGERS if trigger["type"] == "metrics-api"]
    (port,) = service["spec"]["ports"]
    overview = Overview(
        now=0,
        instance="",
        version="",
        redis=RedisState(up=True),
        findings=[],
        types=[TypeRow(type="hello", waiting=9)],
        instances=[],
    )

    assert service["spec"]["selector"].items() <= DEPLOYMENT["spec"]["template"]["metadata"]["labels"].items()
    assert port["targetPort"] == CONTAINER["ports"][0]["name"]
    assert asking["metadata"]["url"] == f"http://{service['metadata']['name']}:{port['port']}{SCALE}"
    assert numbers(overview, {"hello": Here(4)})[asking["metadata"]["valueLocation"]] == 3


@pytest.mark.parametrize(
    "scaled", [each for each in MANIFESTS if each["kind"] == "ScaledObject"], ids=lambda each: each["metadata"]["name"]
)
def test_scaling_goes_by_what_exists(scaled: dict[str, Any]) -> None:
    (trigger,) = scaled["spec"]["triggers"]
    # Who is asked for /scale has to be there.
    assert scaled["spec"]["maxReplicaCount"] > scaled["spec"]["minReplicaCount"] >= (trigger["type"] == "metrics-api")
    documented = (ROOT / "docs" / "metrics.md").read_text()

    assert scaled["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    for name in re.findall(r"goophry_\w+", trigger["metadata"].get("query", "")):
        assert f"`{name}`" in documented


def test_systemd_understands_the_unit() -> None:
    try:
        found = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(DEPLOY / "goophry.service")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("no systemd-analyze on this machine")
    # The paths are examples, and so is the user: what is said about them is not about the unit.
    ours = [line for line in found.stderr.splitlines() if "goophry.service" in line and "not executable" not in line]

    assert ours == []


#: What `systemd-analyze security` may say at most; 10 is a unit without any hardening.
EXPOSURE = 6.0


def test_the_unit_is_hardened() -> None:
    """As far as scripts of other people can live with, see the head of the unit."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(DEPLOY / "goophry.service")]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        pytest.skip("no systemd-analyze on this machine")
    told = re.search(r"Overall exposure level for goophry.service: ([\d.]+)", found.stdout)
    if told is None:
        pytest.skip(f"this systemd-analyze does not judge files: {found.stderr.strip()}")

    assert float(told[1]) <= EXPOSURE


def test_the_man_page_tells_of_every_command_and_has_no_mistake() -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff on this machine")
    command = ["groff", "-man", "-ww", "-Tascii", "-P-cbou", str(DEPLOY / "goophry.1")]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    group = typer.main.get_command(app)

    assert (found.returncode, found.stderr) == (0, "")
    for name, each in group.commands.items():  # type: ignore[attr-defined]
        for word in getattr(each, "commands", [""]):
            assert re.search(rf"^ +{f'{name} {word}'.strip()} ", found.stdout, re.MULTILINE), (name, word)
