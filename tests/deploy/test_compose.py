"""docker-compose.yml is what the Compose Specification knows, what the settings know, and closed where it can be."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import validators
from ruamel.yaml import YAML

from nextclick.cli import parser
from schemas.settings import ENVIRONMENT_PREFIX, Settings
from tests.deploy.composition import COMPOSE, ROOT, Service, document, read

SERVICES: Final = read({})
OURS: Final = [service for service in SERVICES.values() if service.ours]
#: Read where it lies: the program around it is not needed, nor is the version of click that it would need.
_SCHEMA: Final = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
ALL: Final = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)


def test_it_is_what_the_compose_specification_knows() -> None:
    carrier = metadata.distribution("check-jsonschema")
    schema = json.loads(Path(str(carrier.locate_file(_SCHEMA))).read_text("utf-8"))
    validator = validators.validator_for(schema)(schema)
    for file in (document(COMPOSE), shown()):
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(file)] == []


@pytest.mark.parametrize("service", OURS, ids=lambda service: service.name)
def test_every_variable_of_ours_is_a_setting_and_every_command_a_verb(service: Service) -> None:
    assert {name for name in service.environment if not name.startswith(ENVIRONMENT_PREFIX)} == set()
    Settings.read(service.environment, {})
    assert parser().parse_args(service.command).run


def shown() -> Any:
    """The override that docs/deployment.md shows, with an entry in it."""
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    (lines,) = re.findall(r"^(    x-kafka: &kafka\n(?:    .*\n|\n)*)", page, re.M)
    return YAML(typ="safe").load(str(lines).replace("SHA-256", "0" * 64))


@pytest.mark.parametrize("name", shown()["services"])
def test_the_override_that_is_shown_is_whole_for_each_service(name: str, tmp_path: Path) -> None:
    told = shown()["services"][name]
    environment = SERVICES[name].environment | told["environment"]
    secrets = [{"source": each, "target": each} if isinstance(each, str) else each for each in told["secrets"]]

    (tmp_path / "redis").write_text("redis://user:password@redis:6379/0", encoding="utf-8")
    here = {key: value.replace("/run/secrets", str(tmp_path)) for key, value in environment.items()}
    settings = Settings.read(here, {})

    assert {each["source"] for each in secrets} <= shown()["secrets"].keys()
    files = {value.removeprefix("@") for value in environment.values() if "/run/secrets/" in value}
    assert files == {f"/run/secrets/{each['target']}" for each in secrets}
    assert settings.kafka_user
    assert "outside" in told.get("networks", SERVICES[name].told["networks"])
    assert name != "endpoint" or (settings.security == "on" and settings.site_keys and settings.token_secrets)


@ALL
def test_what_is_mounted_is_there_and_may_only_be_read(service: Service) -> None:
    assert [mount for mount in service.mounts if not (mount.source.exists() and mount.read_only)] == []


@ALL
def test_nobody_can_become_more_than_it_is(service: Service) -> None:
    told = service.told

    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", told["mem_limit"])
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(told)
    assert "docker.sock" not in str(told)


@ALL
def test_every_image_is_one_that_was_meant(service: Service) -> None:
    _, _, tag = service.image.rpartition(":")
    assert re.match(r"v?\d+\.\d+", tag), f"{service.image} may be another tomorrow"


@ALL
def test_whoever_is_awaited_can_say_that_it_is_there(service: Service) -> None:
    for name, condition in service.awaits.items():
        awaited = SERVICES[name]
        assert condition == ("service_completed_successfully" if awaited.runs_once else "service_healthy")
        assert awaited.runs_once or awaited.health or awaited.ours


@ALL
def test_ports_are_published_to_this_machine_alone(service: Service) -> None:
    assert {port.address for port in service.published} <= {"127.0.0.1"}
    assert not service.published or "outside" in service.told["networks"]


def test_another_bundle_is_one_variable_away() -> None:
    told = {mount.source.name for mount in read({"BUNDLE": "./bundles"})["worker"].mounts}
    assert told == {"bundles"}
