"""goophry as it is installed: wheel and sdist, in an environment that has nothing else."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from acceptance.tally import FULL

import goophry

ROOT = Path(goophry.__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it."""
    folder = tmp_path_factory.mktemp("dist")
    # With the backend of this environment: a build of its own would be downloaded again.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_has_the_package_with_its_data_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names} == {"goophry", f"goophry-{goophry.__version__}.dist-info"}
    assert {"goophry/py.typed", "goophry/store/scripts/submit.lua"} <= set(names)
    data = {path.name for path in (ROOT / "goophry").rglob("*") if path.suffix in {".lua", ".html", ".css", ".js"}}
    assert data <= {Path(name).name for name in names}


def test_the_sdist_has_what_is_needed_to_test_it(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "tests/conftest.py", "scripts/test"} <= names


@pytest.mark.skipif(not FULL, reason="downloads all dependencies; with GOOPHRY_TEST_FULL=1")
def test_it_runs_from_a_clean_environment(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--disable-pip-version-check",
        str(wheel),
    ]
    subprocess.run(install, check=True, timeout=180)
    environ = {"PATH": f"{home}/bin:{os.defpath}", "HOME": str(tmp_path)}

    def said(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert said("goophry", "-V") == f"Goophry version {goophry.__version__}\n"
    assert "push" in said("goophry", "--help")
    said("goophry", "init", "app")
    assert '"RedisQueueKey"' in (tmp_path / "app" / "goophry.config.json").read_text()
    assert said(str(python), "-c", "import goophry.client; print('ok')") == "ok\n"
