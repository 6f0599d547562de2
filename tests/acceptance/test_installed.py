"""goophry as it is installed: wheel and sdist, in an environment that has nothing else."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.tally import FULL
from conftest import free_port

import goophry

ROOT = Path(goophry.__file__).parent.parent


def build(*words: str | Path) -> None:
    # With the backend of this environment: a build of its own would be downloaded again.
    command = [sys.executable, "-m", "build", "--no-isolation", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist and the wheel from it, and beside them the wheel that the tree gives; once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "dist"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            build("--outdir", folder, ROOT)
            build("--wheel", "--outdir", folder / "from-tree", ROOT)
            (folder / "done").touch()
    return folder


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_has_the_package_with_its_data_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(contents(wheel))

    version = f"goophry-{goophry.__version__}"
    assert {name.split("/")[0] for name in names} == {"goophry", f"{version}.dist-info", f"{version}.data"}
    assert [name for name in names if ".data/" in name] == [f"{version}.data/data/share/man/man1/goophry.1"]
    package = {path for path in (ROOT / "goophry").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {str(path.relative_to(ROOT)) for path in package} == {name for name in names if name.startswith("goophry/")}
    assert {"goophry/py.typed", "goophry/store/scripts/submit.lua", "goophry/web/static/app.js"} <= names


def test_the_sdist_has_what_is_needed_to_test_it_and_gives_the_same_wheel(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "tests/conftest.py", "scripts/test"} <= names
    (of_sdist,), (of_tree,) = built.glob("*.whl"), (built / "from-tree").glob("*.whl")
    assert contents(of_sdist) == contents(of_tree)


def open_to_all(path: Path) -> bool:
    """Whether every user may look there: not if the project stands in somebody's home folder."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents) and all(
        folder.stat().st_mode & 0o001 for folder in path.parents
    )


class Installed:
    """A virtual environment with goophry in it, used from a folder that has nothing to do with it, by an ordinary user."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home.parent / "work"
        self.work.mkdir()
        self.user: dict[str, Any] = {}
        if os.getuid() == 0 and all(map(open_to_all, (Path(sys.executable), Path(redis.__file__)))):
            nobody = pwd.getpwnam("nobody")
            os.chown(self.work, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.environ = {"PATH": f"{home}/bin:{os.defpath}", "HOME": str(self.work)}

    def start(self, *words: str, **environ: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            words,
            cwd=self.work,
            env=self.environ | environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **self.user,
        )

    def said(self, *words: str, **environ: str) -> str:
        process = self.start(*words, **environ)
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 0, told
        return told


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may look into; those of pytest are their owner's."""
    folder = Path(tempfile.mkdtemp(prefix="goophry-installed-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def works(installed: Installed, redis_address: str, queue_key: str) -> None:
    """Try what a newcomer does: the version, the help, `init`, `check`, run, push, stop."""
    environ = {
        "GOOPHRY_REDIS_ADDRESS": redis_address,
        "GOOPHRY_REDIS_QUEUE_KEY": queue_key,
        "GOOPHRY_STATS_INTERFACE": f"127.0.0.1:{free_port()}",
    }
    assert installed.said("goophry", "-V") == f"Goophry version {goophry.__version__}\n"
    assert "push" in installed.said("goophry", "--help")
    installed.said("goophry", "init", "app")
    flags = ("goophry", "-c", "app/goophry.config.json")
    installed.said(*flags, "check", **environ)
    running = installed.start(*flags, **environ)
    try:
        installed.said(*flags, "push", "--within", "20s", "hello", "World", **environ)
        assert (installed.work / "app" / "hello.log").read_text().endswith(" Hello, World\n")
    finally:
        running.send_signal(signal.SIGTERM)
        told, _ = running.communicate(timeout=30)
    assert running.returncode == 0, told


def test_it_works_as_an_ordinary_user_has_it(
    built: Path, place: Path, redis_address: str, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    """The wheel with its entry point; the dependencies are those of this environment, so that nothing is downloaded."""
    (wheel,) = built.glob("*.whl")
    home = place / "venv"
    venv.create(home, symlinks=True)
    python = str(home / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True, timeout=60)
    (site,) = home.glob("lib/python3.*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(redis.__file__).parent.parent}\n")
    installed = Installed(home)

    where = "import goophry.client; print(goophry.__file__, goophry.client.Client.__name__)"
    assert installed.said(python, "-c", where) == f"{site}/goophry/__init__.py Client\n"
    works(installed, redis_address, queue_key)


@pytest.mark.skipif(not FULL, reason="downloads all dependencies; with GOOPHRY_TEST_FULL=1")
def test_it_runs_from_a_clean_environment(built: Path, place: Path, redis_address: str, queue_key: str) -> None:
    (wheel,) = built.glob("*.whl")
    home = place / "venv"
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-compile", str(wheel)], check=True, timeout=180)

    works(Installed(home), redis_address, queue_key)
