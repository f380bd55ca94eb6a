"""The files of deploy/ and docs/deploying.md hold to the code: commands, settings, paths, ports, users. No container is started."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from hayon.media import LARGEST_UPLOAD
from hayon.media.contract import NOTE
from hayon.media.videos import LONGEST_LOOK_SECONDS
from hayon.settings import PREFIX, Settings
from hayon.store.database import WRITERS
from hayon.vault import Vault
from hayon.web.app import FORM_ROOM, GRACE_SECONDS
from hayon.web.watching import HEARTBEAT_SECONDS
from tests.house.deploy_files import (
    COMPOSE_FILES,
    DEPLOY,
    DOCUMENT,
    SETTINGS,
    complaint,
    compose,
    copied,
    dockerfile,
    document_commands,
    exec_form,
    image,
    image_environment,
    ours,
    seconds,
    units,
    values,
)
from tests.house.tree import ROOT, name_of, own_files
from tests.servers.ports import free_port
from tests.servers.processes import Process

DEFAULT = Settings()
STOPS_WITHIN = DEFAULT.grace.total_seconds() + GRACE_SECONDS
LISTENING = {"serve", "web", "relay", "worker"}
FROM_ENTRYPOINT = "hayon"
Starter = Callable[..., Process]
every_compose_file = pytest.mark.parametrize("name", COMPOSE_FILES)


def test_the_image_is_built_from_what_is_there_and_let_in() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    copied_in = [
        path
        for step in dockerfile()
        if step.word == "COPY" and "--from" not in step.rest
        for path in step.rest.split()[:-1]
    ]
    assert sorted(copied_in) == sorted(let_in)
    ours_too = {name_of(file) for file in own_files()}
    assert [path for path in copied_in if not any(one == path or one.startswith(f"{path}/") for one in ours_too)] == []


def test_the_image_is_of_a_python_we_take_and_names_no_registry() -> None:
    bases = [step.rest.split()[0] for step in dockerfile() if step.word == "FROM"]
    assert len(set(bases)) == 1, "a virtual environment works with the Python it was made by"
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim-\w+", bases[0])
    assert version is not None
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert (int(version[1]), int(version[2])) >= tuple(map(int, oldest.removeprefix(">=").split(".")))


def test_the_image_runs_as_nobody_special_and_keeps_everything_in_its_volume() -> None:
    making = " ".join(image("RUN"))
    (user,) = image("USER")
    group_id, user_id = re.findall(r"--gid (\d+) hayon|--uid (\d+)", making)
    assert user == f"{user_id[1]}:{group_id[0]}"
    assert int(user_id[1]) > 999
    environment = image_environment()
    folder = environment["HAYON_DATA_DIR"]
    assert [folder] == image("VOLUME") == image("WORKDIR") == [environment["TMPDIR"]]
    assert f"--mode=700 {folder}" in making
    assert {name for name in environment if name.startswith(PREFIX)} <= SETTINGS
    assert Settings.read(environment).host == "0.0.0.0"
    (place,) = [rest.split()[-1] for rest in image("COPY")]
    assert environment["PATH"].startswith(f"{place}/bin:")


def test_the_image_starts_a_command_without_a_shell_before_it() -> None:
    (entry,), (command,), (port,) = image("ENTRYPOINT"), image("CMD"), image("EXPOSE")
    assert exec_form(entry) == [FROM_ENTRYPOINT]
    assert complaint(exec_form(command)) == ""
    assert int(port) == DEFAULT.port


def test_what_asks_for_health_hears_it_and_misses_it(start_process: Starter, tmp_path: Path) -> None:
    """The image's own question and those of the parts, each asked of a real Hayon, and of nobody."""
    (check,) = image("HEALTHCHECK")
    asks = [exec_form(check.partition(" CMD ")[2])]
    asks += [
        one["healthcheck"]["test"][1:] for one in ours("compose.yaml").values() if "test" in one.get("healthcheck", {})
    ]
    assert [re.findall(r"127\.0\.0\.1:(\d+)(/\w+)", ask[-1]) for ask in asks] == [
        [(str(DEFAULT.port), "/healthz")],
        [(str(DEFAULT.port), "/readyz")],
        [("9100", "/healthz")],
        [("9100", "/healthz")],
    ]
    doors = [ours("compose.yaml")[part]["environment"]["HAYON_METRICS_PORT"] for part in ("relay", "worker")]
    assert doors == ["9100", "9100"]
    argv = [Path(sys.executable).with_name("hayon"), "serve", "--port", "0"]
    running = start_process(*argv, env={"HAYON_LOG": "json", "HAYON_DATA_DIR": str(tmp_path / "data")})
    port = running.ready["url"].rpartition(":")[2]
    assert [_ask(ask, port) for ask in asks] == [0] * 4
    assert [_ask(ask, str(free_port())) for ask in asks] == [1] * 4


@every_compose_file
def test_compose_gives_commands_and_settings_that_exist(name: str, tmp_path: Path) -> None:
    """What it sets is read as a Hayon in that container would, with the secrets that make-secrets made."""
    folder = copied(tmp_path)
    subprocess.run(["sh", folder / "make-secrets"], check=True, capture_output=True)
    assert ours(name)
    wrong = {}
    for key, service in ours(name).items():
        wrong[key] = complaint(shlex.split(service["command"]))
        assert {one.removesuffix("_FILE") for one in service["environment"] if one.startswith(PREFIX)} <= SETTINGS
        found = {}
        for one, value in service["environment"].items():
            if one.endswith("_FILE"):
                secret = value.removeprefix("/run/secrets/")
                assert secret in service["secrets"]
                found[one] = str(folder / compose(name)["secrets"][secret]["file"])
            else:
                found[one] = _filled(value)
        settings = Settings.read({**image_environment(), **found})
        assert settings.public_url
        if "secrets" in service:
            assert settings.database_url.startswith("postgresql://hayon:")
            assert settings.broker_url.startswith("amqp://hayon:")
    assert {key: why for key, why in wrong.items() if why} == {}


@every_compose_file
def test_compose_names_nothing_that_is_not_declared(name: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    subprocess.run(["sh", folder / "make-secrets"], check=True, capture_output=True)
    whole = compose(name)
    services = whole["services"]
    used = {"volumes": set(), "networks": set(), "secrets": set()}
    for service in services.values():
        assert re.match(r"[a-z]+(:|$)", service["image"]), "no registry: Docker knows its own"
        if "build" in service:
            assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        for source, target in (mount.split(":")[:2] for mount in service["volumes"]) if "volumes" in service else []:
            assert target.startswith("/")
            if source.startswith("."):
                assert (folder / source).is_file()
            else:
                used["volumes"].add(source)
        used["networks"] |= set(service["networks"])
        used["secrets"] |= set(service.get("secrets", []))
    for kind, names in used.items():
        assert set(whole.get(kind, {})) == names
    assert [one["file"] for one in whole.get("secrets", {}).values() if not (folder / one["file"]).is_file()] == []
    explained = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    for variable in re.findall(r"\$\{(\w+)", (DEPLOY / name).read_text(encoding="utf-8")):
        assert re.search(rf"^#?{variable}=", explained, re.MULTILINE)


@every_compose_file
def test_compose_starts_them_in_order_and_again(name: str) -> None:
    services = compose(name)["services"]
    for key, service in services.items():
        once = service.get("command") == "migrate"
        assert service["restart"] == ("no" if once else "unless-stopped"), key
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "no"
            else:
                assert how["condition"] == "service_healthy"
                checked = services[other].get("healthcheck", {})
                assert "test" in checked or (other in ours(name) and "disable" not in checked)
    for key, service in ours(name).items():
        command = shlex.split(service["command"])[0]
        assert service.get("healthcheck", {}).get("disable", False) == (command not in LISTENING), key
        if command not in {"migrate", "serve"}:
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@every_compose_file
def test_compose_lets_people_in_by_the_proxy_alone(name: str) -> None:
    whole = compose(name)
    services = whole["services"]
    assert [key for key, service in services.items() if "ports" in service] == ["proxy"]
    assert [_filled(port) for port in services["proxy"]["ports"]] == ["127.0.0.1:80:80", "127.0.0.1:443:443"]
    behind, port = services["proxy"]["environment"]["UPSTREAM"].split(":")
    assert int(port) == DEFAULT.port
    assert services["proxy"]["networks"] == ["front"]
    assert [key for key, service in services.items() if "front" in service["networks"]] == ["proxy", behind]
    (subnet,) = whole["networks"]["front"]["ipam"]["config"]
    assert services[behind]["environment"]["HAYON_TRUSTED_PROXIES"] == subnet["subnet"]
    assert ip_network(subnet["subnet"]).is_private


@every_compose_file
def test_compose_confines_hayon_and_gives_it_time_to_stop(name: str) -> None:
    for key, service in ours(name).items():
        assert service["init"] is service["read_only"] is True, key
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert f"data:{image('VOLUME')[0]}" in service["volumes"]
        assert seconds(service["stop_grace_period"]) > STOPS_WITHIN
        assert "user" not in service, "the image says who"


def test_the_example_of_an_environment_can_be_read() -> None:
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    given = dict(line.removeprefix("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))
    variables = {
        one for name in COMPOSE_FILES for one in re.findall(r"\$\{(\w+)", (DEPLOY / name).read_text(encoding="utf-8"))
    }
    assert set(given) <= SETTINGS | variables
    plain = {name: value.strip('"') for name, value in given.items() if name in SETTINGS}
    assert Settings.read(plain).public_url.startswith("https://")


def test_the_secrets_fit_together_and_are_made_once(tmp_path: Path) -> None:
    folder = copied(tmp_path)

    def make() -> dict[str, str]:
        subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
        return {file.name: file.read_text(encoding="utf-8").strip() for file in (folder / "secrets").iterdir()}

    made = make()
    assert len({made["secret_key"], made["postgres_password"], made["rabbitmq_password"]}) == 3
    assert f":{made['postgres_password']}@postgres/" in made["database_url"]
    assert f":{made['rabbitmq_password']}@rabbitmq/" in made["broker_url"]
    assert f"default_pass = {made['rabbitmq_password']}" in made["rabbitmq.conf"]
    Vault([made["secret_key"]])
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (folder / "secrets").iterdir()} == {0o644}
    assert make() == made
    assert {"/.env", "/secrets/"} <= set((DEPLOY / ".gitignore").read_text(encoding="utf-8").split())


def test_the_units_start_commands_that_exist_as_a_user_of_their_own() -> None:
    services = {name: unit for name, unit in units().items() if name.endswith(".service")}
    assert sorted(services) == ["hayon-relay.service", "hayon-web.service", "hayon-worker@.service", "hayon.service"]
    wrong, confined = {}, {}
    for name, unit in services.items():
        for line in [*values(unit, "Service", "ExecStartPre"), *values(unit, "Service", "ExecStart")]:
            program, *words = line.split()
            assert program == "/opt/hayon/bin/hayon"
            wrong[line] = complaint(words)
        assert values(unit, "Service", "User") == ["hayon"]
        (environment,) = values(unit, "Service", "Environment")
        given = dict(pair.split("=", 1) for pair in environment.split())
        (state,) = values(unit, "Service", "StateDirectory")
        assert given == {"HAYON_DATA_DIR": f"/var/lib/{state}", "TMPDIR": f"/var/lib/{state}"}
        (stop,) = values(unit, "Service", "TimeoutStopSec")
        assert seconds(stop) > STOPS_WITHIN
        confined[name] = [
            (key, value) for key, value in unit["Service"] if not key.startswith(("Exec", "TimeoutStart"))
        ]
    assert {line: why for line, why in wrong.items() if why} == {}
    assert len(confined["hayon.service"]) > 20
    assert [name for name, lines in confined.items() if lines != confined["hayon.service"]] == []


def test_the_target_starts_and_stops_the_parts() -> None:
    every = units()
    (parts,) = values(every["hayon.target"], "Unit", "Wants")
    named = {re.sub(r"@\w+", "@", part) for part in parts.split()}
    assert named == set(every) - {"hayon.target", "hayon.service"}
    assert {name: values(every[name], "Unit", "PartOf") for name in named} == {name: ["hayon.target"] for name in named}
    first = {line for name in named for line in values(every[name], "Service", "ExecStartPre")}
    assert first == {"/opt/hayon/bin/hayon migrate"}


def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    """Where systemd is at hand; the two tests above read the units themselves."""
    program = shutil.which("systemd-analyze")
    for file in (DEPLOY / "systemd").iterdir():
        text = file.read_text(encoding="utf-8").replace("/opt/hayon/bin/hayon", sys.executable)
        (tmp_path / file.name.replace("@.", "@1.")).write_text(text, encoding="utf-8")
    written = sorted(tmp_path.iterdir())
    assert len(written) == 5
    if program is not None:
        told = subprocess.run([program, "verify", "--man=no", *written], capture_output=True, text=True, check=False)
        assert [line for line in told.stderr.splitlines() if str(tmp_path) in line] == []
        assert told.returncode == 0


def test_the_proxies_let_everything_through_that_hayon_takes() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    (largest,) = re.findall(r"client_max_body_size (\d+)g;", nginx)
    assert int(largest) * 2**30 > LARGEST_UPLOAD + FORM_ROOM
    (patience,) = re.findall(r"proxy_read_timeout (\w+);", nginx)
    assert seconds(patience) > LONGEST_LOOK_SECONDS + HEARTBEAT_SECONDS
    assert re.findall(r"server 127\.0\.0\.1:(\d+);", nginx) == [str(DEFAULT.port)]
    assert re.findall(r"proxy_set_header X-Forwarded-For (\S+);", nginx) == ["$remote_addr"]
    assert re.findall(r"reverse_proxy \{\$UPSTREAM:(\S+)\}", caddy) == [f"127.0.0.1:{DEFAULT.port}"]
    (address,) = re.findall(r"^\{\$HAYON_PUBLIC_URL:(\S+)\} \{", caddy, re.MULTILINE)
    for name in COMPOSE_FILES:
        assert _filled(compose(name)["services"]["proxy"]["environment"]["HAYON_PUBLIC_URL"]) == address
    for text in (nginx, re.sub(r"\{\$[^}]*\}", "", caddy)):
        assert text.count("{") == text.count("}")


def test_the_document_names_every_file_and_only_commands_that_exist() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    unnamed = [name_of(file) for file in own_files() if file.is_relative_to(DEPLOY) and file.name not in text]
    # started by the target, or kept from git and the image
    assert set(unnamed) == {f"deploy/systemd/hayon-{part}.service" for part in ("relay", "web", "worker@")} | {
        "deploy/.gitignore"
    }
    commands = list(document_commands())
    assert len(commands) > 4
    assert {" ".join(words): complaint(words) for words in commands if complaint(words)} == {}
    services = {key for name in COMPOSE_FILES for key in compose(name)["services"]}
    for line in re.findall(r"^docker compose .*?(?:exec|stop|start) (?:-T )?([a-z ]+)", text, re.MULTILINE):
        assert line.split()[0] in services
    assert re.findall(r"(\w+) at most for each process", text) == [{9: "nine"}[WRITERS + 1]]  # and one that listens
    assert {one.removeprefix("./") for one in re.findall(r"--exclude=(\S+)", text)} == {f"media/{NOTE}"}


@pytest.mark.long
def test_what_installs_the_image_works_in_a_bare_virtual_environment(tmp_path: Path) -> None:
    """Runs the first stage of the Dockerfile as it is written, in folders of its own."""
    (place,) = [rest.split()[-1] for rest in image("COPY")]
    house, desk = tmp_path / "house", tmp_path / "desk"
    desk.mkdir()
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "PYTHON", "VIRTUAL"))
    }
    surroundings["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), surroundings["PATH"]))
    for step in dockerfile():
        if step.stage == "build" and step.word == "COPY":
            *sources, to = step.rest.split()
            for source in sources:
                _copy(ROOT / source, desk / to / source if to == "./" else desk / to)
        elif step.stage == "build" and step.word == "RUN":
            command = step.rest.replace(place, str(house))
            subprocess.run(["sh", "-euc", command], cwd=desk, env=surroundings, check=True)
    installed = {
        **surroundings,
        "PATH": f"{house}/bin:{surroundings['PATH']}",
        "HAYON_DATA_DIR": str(tmp_path / "data"),
    }

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=installed, check=True, capture_output=True, text=True)
        return done.stdout

    assert "hayon" in run(*exec_form(image("ENTRYPOINT")[0]), "--help").lower()
    assert "Nothing keeps Hayon from its promise." in run("hayon", "doctor")
    assert run("python", "-c", "import hayon; print(hayon.__file__)").startswith(f"{house}/")
    assert run("python", "-c", "import importlib.util as u; print(u.find_spec('pip'))").strip() == "None"


def _ask(words: list[str], port: str) -> int:
    """Asks as the container would, at another port."""
    program, *rest = (re.sub(r"127\.0\.0\.1:\d+/", f"127.0.0.1:{port}/", word) for word in words)
    assert program == "python"
    done = subprocess.run([sys.executable, *rest], capture_output=True, check=False)
    return done.returncode


def _filled(value: str) -> str:
    """With the defaults that Compose puts where nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)
