"""What runs APE elsewhere: container, compose file, service, cron. No container tool is needed for these checks."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest

import ape
from ape.cli.arguments import build_parser

yaml = pytest.importorskip("yaml")
ROOT = Path(ape.__file__).parent
pytestmark = pytest.mark.skipif(not (ROOT / "Dockerfile").is_file(), reason="not a checkout")


@cache
def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile with their arguments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line]


def last_stage() -> list[tuple[str, str]]:
    begins = [at for at, (name, _) in enumerate(instructions()) if name == "FROM"]
    return instructions()[begins[-1] :]


@cache
def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def parsed(words: list[str]):
    """Parse the words of a command as ``ape`` does; what it refuses raises."""
    return build_parser().parse_args(words)


def let_through(path: str) -> bool:
    """Whether .dockerignore lets a file into the build: the last pattern that matches it or a folder above decides."""
    parts = path.split("/")
    names = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    through = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            anywhere = pattern.removeprefix("**/")
            found = any(
                (fnmatch.fnmatch(name, pattern) and name.count("/") == pattern.count("/"))
                or (anywhere != pattern and fnmatch.fnmatch(name.rpartition("/")[2], anywhere))
                for name in names
            )
            through = line.startswith("!") if found else through
    return through


@cache
def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    if not any(listed):
        pytest.skip("not a checkout")
    return [name for name in listed if name]


def test_stages_have_versions_and_the_last_is_small():
    images = [words for name, words in instructions() if name == "FROM"]
    assert [image.split()[0] for image in images] == ["python:${PYTHON}"] * 2
    (version,) = [words for name, words in instructions() if name == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.1[1-9]-slim-\w+", version)
    assert not [words for name, words in last_stage() if name == "RUN" and ("pip" in words or "apt" in words)]


def test_it_installs_what_the_tests_run_with_and_keeps_no_cache():
    installs = [words for name, words in instructions() if name == "RUN" and "pip install" in words]
    assert len(installs) == 2 and all(
        "--no-cache-dir" in each and "-c /src/constraints.txt" in each for each in installs
    )
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in installs[0] and installs[0].endswith(" torch")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.search(r"\[(.*)\]", installs[1])[1].split(",")) <= set(extras)


def test_it_runs_as_somebody_without_rights():
    (user,) = [words for name, words in last_stage() if name == "USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    names = [name for name, _ in last_stage()]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in ("RUN", "COPY"))


def test_it_uses_no_shell_no_downloads_and_no_secrets():
    for name, words in instructions():
        assert name in {
            "ARG",
            "FROM",
            "RUN",
            "COPY",
            "ENV",
            "WORKDIR",
            "USER",
            "EXPOSE",
            "HEALTHCHECK",
            "ENTRYPOINT",
            "CMD",
        }
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(words), list)
        assert not re.search(r"token|secret|password|sudo|curl|wget|:latest", words, re.IGNORECASE)


def test_the_health_check_asks_the_service_and_fails_without_it():
    (words,) = [words for name, words in last_stage() if name == "HEALTHCHECK"]
    command = json.loads(words.partition("CMD ")[2])
    assert f"127.0.0.1:{parsed(['api', 'x']).port}/health" in command[2]
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, check=False)
    assert done.returncode != 0  # nothing listens here
    checked = compose()["services"]["watch"]["healthcheck"]["test"]
    compile(checked[3], "health check", "exec")


def test_the_build_gets_the_package_and_nothing_else():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tops = {package.split(".")[1] for package in packages if package != "ape"}
    into = [name for name in tracked() if let_through(name)]
    assert {name for name in into if name.split("/")[0] in tops} == {
        name for name in tracked() if name.split("/")[0] in tops
    }
    others = {name for name in into if name.split("/")[0] not in tops}
    assert others == {"__init__.py", "LICENSE", "README.md", "constraints.txt", "pyproject.toml"}
    assert not let_through("runs/pump/run.json") and not let_through("secrets/token") and not let_through(".git/config")
    assert not let_through("api/__pycache__/app.cpython-311.pyc")


@pytest.mark.extended
def test_the_wheel_of_these_files_has_the_whole_package(tmp_path):
    source = tmp_path / "src"
    for name in filter(let_through, tracked()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    modules = {f"ape/{name}" for name in tracked() if name.endswith(".py") and let_through(name)}
    assert modules | {"ape/api/page.html", "ape/runs/templates/report.html"} <= inside


@pytest.mark.parametrize("service", ["watch", "api"])
def test_commands_of_the_compose_file_are_valid(service):
    arguments = parsed([str(word) for word in compose()["services"][service]["command"]])
    assert arguments.command == service
    assert {"read_only", "cap_drop", "security_opt", "user"} <= set(compose()["services"][service])


def test_prometheus_asks_where_the_services_listen():
    services = compose()["services"]
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for config in job["static_configs"] for target in config["targets"]}
    watch, api = (parsed([str(word) for word in services[name]["command"]]) for name in ("watch", "api"))
    assert targets == {f"watch:{watch.metrics.rpartition(':')[2]}", f"api:{api.port}"}
    assert api.allow_host == ["api"] and api.token_file == "/run/secrets/token"
    (secured,) = [job for job in jobs if "authorization" in job]
    assert secured["authorization"]["credentials_file"] == api.token_file
    assert all("token" in services[name]["secrets"] for name in ("api", "prometheus"))


def test_ports_are_open_on_this_machine_only_and_images_have_versions():
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert service["image"] == "ape" or re.search(r":v?\d+\.\d+", service["image"])


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (ROOT / "deploy" / "ape-watch.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_service_starts_a_valid_command_again_unless_its_input_is_bad():
    words = shlex.split(unit()["ExecStart"][0])
    assert words[0].endswith("/bin/ape") and parsed(words[1:]).command == "watch"
    assert unit()["Restart"] == ["on-failure"] and unit()["RestartPreventExitStatus"] == ["2"]
    assert unit()["User"] != ["root"] and unit()["NoNewPrivileges"] == ["yes"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_knows_all_settings(tmp_path):
    text = (ROOT / "deploy" / "ape-watch.service").read_text()
    path = tmp_path / "ape-watch.service"
    path.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert "ape-watch" not in done.stderr, done.stderr


def test_lines_of_cron_have_five_times_and_valid_commands():
    lines = [line for line in (ROOT / "deploy" / "ape.cron").read_text().splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        *times, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*/,-]+", time) for time in times)
        assert not re.search(r"(?<!\\)%", command)
        words = shlex.split(command.partition("&& ")[2].replace("$(date +\\%F)", "day"))
        assert words[0].endswith("bin/ape") and parsed(words[1:]).quiet
