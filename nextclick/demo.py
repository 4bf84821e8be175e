"""The demo: everything on this machine, real shoppers replayed, and what the worker recommends to each.

The worker is a process of its own, as in production, under a guardian: it ends with this program,
however this program ends.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from nextclick import live, sample
from nextclick.crowd import crowd
from nextclick.endpoint import Endpoint
from nextclick.live import Board
from nextclick.sandbox import Sandbox
from nextclick.servers import Guardian, Server
from nextclick.shop import Shop
from nextclick.stops import Stopped
from nextclick.terminal import console, say
from nextclick.worker import start
from schemas.click import Click
from schemas.errors import NextclickError
from schemas.settings import Settings
from serving.state import bundles, topics

_PARTITIONS: Final = 4
#: The embedded broker lets a worker into its group after half of this.
_SESSION_TIMEOUT_MS: Final = 6_000
_TOPICS_S: Final = 15.0
#: From the worker's start to the first recommendation: on a new machine it compiles first, on a busy one for minutes.
_READY_S: Final = 300.0
#: Whoever waits is told so often what for.
_WORD_S: Final = 15.0
#: --once runs until so many clicks were answered and so much time has passed, and at most so long.
_ONCE_ANSWERS: Final = 40
_ONCE_LEAST_S: Final = 4.0
_ONCE_MOST_S: Final = 25.0
#: After the last click, for the last lists.
_LAST_S: Final = 5.0
_TICK_S: Final = 0.1
_LINE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for."""

    once: bool
    seconds: int | None
    shoppers: int
    rate: float
    bundle: Path | None


def play(settings: Settings, plan: Plan) -> int:
    """Until Ctrl-C, or as long as the plan says. NextclickError when the worker does not answer."""
    began_s = time.monotonic()
    screen = console()
    # A bundle that is not there is known before anything is started.
    bundles.read_manifest(_bundle(plan))
    try:
        with Sandbox() as sandbox, Guardian() as guardian:
            chosen = _settings(settings, sandbox, plan)
            topics.create(chosen, _TOPICS_S)
            worker = start(guardian, chosen, "worker")
            say(f"Kafka {sandbox.kafka}, Redis {sandbox.redis}; the worker starts, which takes a few seconds")
            sessions, titles = _sample()
            board = Board(lambda item_id: titles.get(item_id, item_id), live.places(screen.height))
            with Shop(chosen, crowd(sessions, plan.shoppers), plan.rate, board) as shop:
                _await_first(shop, worker)
                say(f"the first recommendation came after {time.monotonic() - began_s:.1f} s")
                endpoint = Endpoint(guardian, chosen)
                say(f"the same over HTTP, in a moment: {endpoint.address}/docs")
                code = _run(
                    shop, worker, plan, screen, f"Kafka {sandbox.kafka} · Redis {sandbox.redis} · {endpoint.address}"
                )
                if plan.once:
                    say(endpoint.proof(list(shop.board.watched)))
                return code
    except Stopped:
        if plan.once:
            raise
        return 0


def _settings(settings: Settings, sandbox: Sandbox, plan: Plan) -> Settings:
    """Those in force, but for what ties them to other services than the sandbox."""
    ours = Settings.read(sandbox.environment(), {})
    return dataclasses.replace(
        settings,
        **{name: getattr(ours, name) for name in Settings.__slots__ if name.startswith("kafka")},
        redis=ours.redis,
        fetch_wait_ms=ours.fetch_wait_ms,
        bundle=str(_bundle(plan)),
        topic_prefix="",
        topic_epoch="",
        partitions=_PARTITIONS,
        replication=1,
        session_timeout_ms=_SESSION_TIMEOUT_MS,
    )


def _bundle(plan: Plan) -> Path:
    return (plan.bundle or sample.BUNDLE).resolve()


def _sample() -> tuple[list[list[Click]], dict[str, str]]:
    """Recorded sessions in the order they began, and the titles of items."""
    from training import log
    from training.catalogue import Catalogue

    sessions: dict[str, list[Click]] = {}
    for click in log.read([sample.REPLAY]):
        sessions.setdefault(click.session_id, []).append(click)
    return list(sessions.values()), {item.item_id: item.title for item in Catalogue(sample.CATALOGUE)}


def _await_first(shop: Shop, worker: Server, patience_s: float = _READY_S, word_s: float = _WORD_S) -> None:
    began_s = told_s = time.monotonic()
    while not shop.is_open:
        _check(shop, worker)
        now_s = time.monotonic()
        if now_s - began_s > patience_s:
            raise NextclickError(
                f"no recommendation came within {patience_s:g} s: this machine is too busy to compile the kernels in "
                "that time, or the worker is stuck; start the demo again, which goes on from what is compiled by now. "
                f"The worker said:\n{worker.last_lines()}"
            )
        if now_s - told_s >= word_s:
            told_s = now_s
            say(f"no list yet after {now_s - began_s:.0f} s: on a new machine the worker compiles its kernels, once")
        time.sleep(_TICK_S)


def _check(shop: Shop, worker: Server) -> None:
    if shop.failure is not None:
        raise shop.failure
    code = worker.exit_code()
    if code is not None:
        raise NextclickError(f"the worker ended with code {code}; it said:\n{worker.last_lines()}")


def _run(shop: Shop, worker: Server, plan: Plan, screen: Console, addresses: str) -> int:
    start_s = time.monotonic()
    try:
        with _shown(shop, screen, addresses) as show:
            while not _is_over(plan, shop, time.monotonic() - start_s):
                _check(shop, worker)
                show()
                time.sleep(_TICK_S)
    except Stopped:
        say(_summary(shop))
        raise
    shop.close_doors()
    _await_last(shop)
    print(_summary(shop))
    return _verdict(shop) if plan.once else 0


def _is_over(plan: Plan, shop: Shop, passed_s: float) -> bool:
    if plan.seconds is not None and passed_s >= plan.seconds:
        return True
    if not plan.once:
        return False
    return passed_s >= _ONCE_MOST_S or (passed_s >= _ONCE_LEAST_S and shop.answers.answered >= _ONCE_ANSWERS)


def _await_last(shop: Shop) -> None:
    deadline = time.monotonic() + _LAST_S
    while shop.figures().waiting and time.monotonic() < deadline:
        time.sleep(_TICK_S)


def _verdict(shop: Shop) -> int:
    """0 when real clicks were answered, and every list was one that a subscriber may trust."""
    if not shop.answers.answered:
        raise NextclickError("no click was answered; `nextclick demo` without --once shows what happens")
    if shop.answers.faults:
        raise NextclickError(f"a recommendation was not what it must be: {shop.answers.faults[0]}")
    return 0


def _summary(shop: Shop) -> str:
    figures = shop.figures()
    return (
        f"{figures.clicks} clicks of real shoppers in {figures.running_s:.1f} s, {figures.answered} answered; "
        f"click to recommendation p50 {live.milliseconds(figures.p50_s)}, p99 {live.milliseconds(figures.p99_s)}; "
        f"{shop.answers.lists} lists, {shop.answers.faulty} of them faulty"
    )


@contextmanager
def _shown(shop: Shop, screen: Console, addresses: str) -> Iterator[Callable[[], None]]:
    """A live screen for a person, a line a second for a pipe."""
    if screen.is_terminal:
        with Live(console=screen, auto_refresh=False) as view:

            def draw() -> None:
                width, height = screen.size
                view.update(live.render(shop.figures(), shop.board, addresses, width, height), refresh=True)

            yield draw
        return
    said_s = 0.0

    def line() -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _LINE_S:
            said_s = time.monotonic()
            print(live.line(shop.figures()), flush=True)

    yield line
