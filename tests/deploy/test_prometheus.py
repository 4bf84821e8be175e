"""Prometheus takes its files, and each alert fires on what it is there for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from stream.metrics import Metrics
from tests.deploy.composition import ROOT, document, read
from tests.kit import rungs

DEPLOY: Final = ROOT / "deploy"
CONFIG: Final = document(DEPLOY / "prometheus.yml")
RULES: Final[list[dict[str, Any]]] = document(DEPLOY / "alerts.yml")["groups"][0]["rules"]
FED: Final = Path(__file__).with_name("alerts.yml")


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


def test_every_alert_is_told_whoever_is_on_call_with_its_time_and_its_urgency() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8").replace("\\|", "|")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for rule in RULES:
        row = next((row for row in rows if f"`{rule['expr']}`" in row), None)
        assert row is not None, rule["expr"]
        urgency, waits = rule["labels"]["severity"], rule.get("for", "")
        assert f"| {_in_words(waits)}| {urgency} |" in row, rule["alert"]


def test_every_series_of_an_alert_is_one_that_a_worker_tells() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    told = {f"{metric.name}{ending}" for metric in registry.collect() for ending in ("", "_total", "_sum", "_bucket")}
    assert {name for rule in RULES for name in re.findall(r"nextclick_\w+", rule["expr"])} - told == set()


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


def _in_words(waits: str) -> str:
    return re.sub(r"(\d+)m", r"\1 min ", re.sub(r"(\d+)s", r"\1 s ", waits))
