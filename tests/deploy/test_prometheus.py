"""Prometheus takes its files, and each alert fires on what it is there for."""

from __future__ import annotations

import inspect
import re
import subprocess
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from schemas.settings import Settings
from serving.http import events, recommendations
from tests.deploy.composition import ROOT, document, read
from tests.kit import rungs, series

DEPLOY: Final = ROOT / "deploy"
CONFIG: Final = document(DEPLOY / "prometheus.yml")
GROUPS: Final[list[dict[str, Any]]] = document(DEPLOY / "alerts.yml")["groups"]
RULES: Final[list[dict[str, Any]]] = [rule for group in GROUPS for rule in group["rules"]]
FED: Final = Path(__file__).with_name("alerts.yml")
#: Prometheus's own: whether a process answered when it was asked.
_UP: Final = "up"
_POLLED: Final = "/v1/recommendations/{session_id}"


def promtool(*command: str | Path) -> None:
    rungs.demand("promtool")
    done = subprocess.run(("promtool", *command), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_files() -> None:
    promtool("check", "config", DEPLOY / "prometheus.yml")


def test_each_alert_fires_on_what_it_is_there_for_and_none_where_all_is_well() -> None:
    promtool("test", "rules", FED)


def test_no_alert_goes_without_being_fired_once() -> None:
    fired = {test["name"] for test in document(FED)["tests"]}
    assert [rule["alert"] for rule in RULES if rule["alert"] not in fired] == []


def test_each_alert_has_series_on_which_it_stays_silent() -> None:
    """Else it would be silent for want of them."""
    (well,) = [test for test in document(FED)["tests"] if test["name"] == "all is well"]
    there = {each["series"].partition("{")[0] for each in well["input_series"]}
    lacking = {rule["alert"]: sorted(_named(rule["expr"]) - there) for rule in RULES}
    assert {alert: names for alert, names in lacking.items() if names} == {}


def test_every_alert_is_told_whoever_is_on_call_with_its_time_and_its_urgency() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8").replace("\\|", "|")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for rule in RULES:
        row = next((row for row in rows if f"`{rule['expr']}`" in row), None)
        assert row is not None, rule["expr"]
        urgency, waits = rule["labels"]["severity"], rule.get("for", "")
        assert f"| {_in_words(waits)}| {urgency} |" in row, rule["alert"]


def test_every_series_of_an_alert_is_one_that_a_process_tells() -> None:
    assert {name for rule in RULES for name in _named(rule["expr"])} - series.told() == {_UP}


@pytest.mark.parametrize(
    ("alert", "bound"),
    [
        ("PartitionsWithoutWorker", Settings().partitions),
        ("StreamsFull", 0.9 * Settings().streams_max),
        ("ConnectionsFull", 0.9 * Settings().connections_max),
    ],
)
def test_the_number_that_an_alert_bears_is_the_settings_own(alert: str, bound: float) -> None:
    (rule,) = [rule for rule in RULES if rule["alert"] == alert]
    assert float(re.split(r" [<>] ", rule["expr"])[-1]) == int(bound)


def test_what_an_alert_asks_of_the_endpoint_is_asked_by_names_that_it_uses() -> None:
    asked = " ".join(rule["expr"] for rule in RULES)
    outcomes = "|".join(re.findall(r'nextclick_http_events_total{outcome=~?"([^"]+)"}', asked)).split("|")

    assert set(outcomes) <= {*get_args(events.Reason), "accepted"}
    assert set(re.findall(r'route="([^"]+)"', asked)) == {_POLLED}
    assert f'"{_POLLED}"' in inspect.getsource(recommendations)


def test_it_asks_every_process_where_that_tells_of_itself() -> None:
    services = read({})
    asked = {(each["names"][0], each["port"]) for job in CONFIG["scrape_configs"] for each in job["dns_sd_configs"]}
    told = {
        (service.name, int(service.environment["NEXTCLICK_METRICS_PORT"]) + number)
        for service in services.values()
        if "NEXTCLICK_METRICS_PORT" in service.environment
        for number in range(int(service.environment.get("NEXTCLICK_SERVE_PROCESSES", "1")))
    }
    assert asked == told
    for name, port in told:
        assert str(port) in services[name].told["expose"]


def _named(expr: str) -> set[str]:
    """The series that it asks for."""
    return set(re.findall(rf"nextclick_\w+|\b{_UP}\b", expr))


def _in_words(waits: str) -> str:
    return re.sub(r"(\d+)m", r"\1 min ", re.sub(r"(\d+)s", r"\1 s ", waits))
