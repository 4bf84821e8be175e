"""nextclick dead list|show|replay"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nextclick.verbs.declare import Verbs, json_flag, moment, real, verb
from schemas.settings import Settings

if TYPE_CHECKING:
    from nextclick.dead.ledger import Ledger
    from nextclick.dead.letterbox import Letterbox
    from schemas.errors import DataError
    from schemas.letter import Coordinates, Letter

_ASK_S: Final = 10.0
_WAIT_S: Final = 10.0

_COORDINATES: Final = "where the record lay in the clickstream, as `dead list` writes it: 3:17"
_MENDING: Final = """\
mending many letters:
  nextclick dead list --reason invalid --lines | jq -c '.value.ts |= floor' | nextclick dead replay --mended -
mending one:
  nextclick dead show 3:17 --raw > click.json    # then edit click.json
  nextclick dead replay 3:17 --mended click.json"""


def declare(verbs: Verbs) -> None:
    dead = verb(verbs, "dead", "the dead letters: what the workers could not take", run=None, example=_EXAMPLE)
    below: Verbs = dead.add_subparsers(title="verbs", metavar="VERB", dest="dead_verb", required=True)
    _declare_list(below)
    _declare_show(below)
    _declare_replay(below)


_EXAMPLE: Final = "nextclick dead list\nnextclick dead show 3:17\nnextclick dead replay --reason schema"


def _declare_list(below: Verbs) -> None:
    example = (
        "nextclick dead list --since 2026-11-21T09:00\nnextclick dead list --reason invalid --lines > letters.ndjson"
    )
    listed = verb(below, "list", "counts the letters by reason, each record once", run=_list, example=example)
    _choice_flags(listed)
    form = listed.add_mutually_exclusive_group()
    json_flag(form)
    form.add_argument("--lines", action="store_true", help="print every letter, as a line of JSON, to be mended")


def _declare_show(below: Verbs) -> None:
    example = "nextclick dead show 3:17\nnextclick dead show 3:17 --raw > click.json"
    show = verb(below, "show", "prints one letter: why, where from, and what it carried", run=_show, example=example)
    show.add_argument("letter", type=_coordinates, metavar="PARTITION:OFFSET", help=_COORDINATES)
    form = show.add_mutually_exclusive_group()
    json_flag(form)
    form.add_argument("--raw", action="store_true", help="write the bytes of its value as they came, and nothing else")


def _declare_replay(below: Verbs) -> None:
    example = "nextclick dead replay --dry-run\nnextclick dead replay --reason schema\nnextclick dead replay 3:17 4:20"
    replay = verb(
        below,
        "replay",
        "sends letters back to the clickstream, each once, and says what became of them",
        run=_replay,
        example=example,
    )
    replay.epilog = f"{replay.epilog}\n\n{_MENDING}"
    replay.add_argument("letters", nargs="*", type=_coordinates, metavar="PARTITION:OFFSET", help=_COORDINATES)
    _choice_flags(replay)
    flag = replay.add_argument
    flag("--mended", type=Path, metavar="FILE", help="send these payloads instead: that of the one letter named, or "
         "lines as `dead list --lines` writes them; - is standard input")  # fmt: skip
    flag("--dry-run", action="store_true", help="say what would be sent and become of it; change nothing")
    flag("--again", action="store_true", help="also letters that were sent back before")
    flag("--wait", type=real, metavar="SECONDS", default=_WAIT_S,
         help="follow the events until no worker has taken one for so long (10)")  # fmt: skip
    json_flag(replay)


def _choice_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="R", help="only letters of this reason")
    parser.add_argument(
        "--since", type=moment, metavar="T", help="only records that came to Kafka at T or later (ISO-8601, or epoch)"
    )


def _coordinates(text: str) -> Coordinates:
    from schemas.errors import DataError
    from schemas.letter import Coordinates

    try:
        return Coordinates.read(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(error.detail) from None


def _opened(settings: Settings, opened: ExitStack) -> tuple[Letterbox, Ledger]:
    from nextclick.dead.ledger import Ledger
    from nextclick.dead.letterbox import Letterbox
    from nextclick.waiting import await_services
    from schemas.topics import Topics

    names = Topics.named(settings.topic_prefix)
    await_services(settings, settings.start_wait_s, wanted=[names.clickstream, names.dead])
    return opened.enter_context(Letterbox(settings)), opened.enter_context(Ledger(settings))


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.dead.choice import Choice
    from nextclick.dead.shown import json_line
    from nextclick.dead.summary import Summary
    from nextclick.terminal import console, say_json

    choice, summary = Choice(arguments.reason, arguments.since), Summary()
    with ExitStack() as opened:
        box, ledger = _opened(settings, opened)
        marks = box.marks()
        for batch in box.batches():
            back = ledger.sent_back(batch, marks)
            for found in batch:
                letter = choice.of(found)
                if letter is None or not summary.add(found, letter, replayed=letter.source in back):
                    continue
                if arguments.lines:
                    print(json_line(letter, replayed=letter.source in back))
    if arguments.json:
        say_json(summary.report())
    elif not arguments.lines:
        console().print(summary.table() if summary.letters else "there are no letters")
    return 0


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    import sys

    from nextclick.dead import shown
    from nextclick.dead.choice import Choice
    from schemas.errors import UsageError

    if arguments.raw and sys.stdout.isatty():
        raise UsageError("--raw writes bytes as they came, which a terminal might obey; send them to a file")
    with ExitStack() as opened:
        box, ledger = _opened(settings, opened)
        choice, marks = Choice(named={arguments.letter}), box.marks()
        found = [each for batch in box.batches() for each in batch if choice.of(each)]
        back = ledger.sent_back(found, marks)
    letter = found[-1].letter if found else None
    if letter is None:
        raise _no_letter([arguments.letter])
    if arguments.raw:
        _write_raw(letter)
    elif arguments.json:
        print(shown.json_line(letter, replayed=letter.source in back))
    else:
        copies = [each for each in found if each.letter and each.letter.source == letter.source]
        for line in shown.lines(letter, copies, replayed=letter.source in back):
            print(line)
    return 0


def _write_raw(letter: Letter) -> None:
    import sys

    from nextclick.terminal import say

    if letter.value is None or letter.cut is not None:
        say(f"what came is not all here: {'its value was null' if letter.cut is None else 'the letter was cut'}")
    sys.stdout.buffer.write(letter.value or b"")


def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    import time

    from nextclick.dead import mended
    from nextclick.dead.choice import Choice
    from nextclick.dead.replay import Replay, sender
    from nextclick.dead.watch import Watch
    from nextclick.producer import ClickProducer
    from nextclick.terminal import say_json
    from schemas.errors import UsageError
    from schemas.topics import Topics
    from serving.state import topics

    if (arguments.letters or arguments.mended) and (arguments.reason or arguments.since is not None):
        raise UsageError("letters are named, by themselves or by --mended, or chosen by --reason and --since; not both")
    payloads = mended.read(arguments.mended, arguments.letters) if arguments.mended else {}
    named = payloads if arguments.mended else arguments.letters or None
    choice = Choice(arguments.reason, arguments.since, named)
    clickstream = Topics.named(settings.topic_prefix).clickstream
    with ExitStack() as opened:
        box, ledger = _opened(settings, opened)
        replay = Replay(box, ledger, choice, payloads, again=arguments.again)
        if arguments.dry_run:
            replay.rehearse(time.time_ns() // 1_000_000)
        else:
            epoch = topics.epoch(settings, clickstream, _ASK_S)
            producer = opened.enter_context(ClickProducer(settings, clickstream))
            replay.run(sender(producer, epoch), Watch(ledger, arguments.wait))
    tally = replay.tally
    if arguments.json:
        say_json(tally.report(dry_run=arguments.dry_run))
    else:
        for line in tally.lines(dry_run=arguments.dry_run):
            print(line)
    if tally.missing:
        raise _no_letter(tally.missing)
    return 0


def _no_letter(asked: Sequence[Coordinates]) -> DataError:
    from schemas.errors import DataError

    names = ", ".join(map(str, asked))
    return DataError("no_letter", f"there is none of {names}; `nextclick dead list --lines` writes all that are kept")
