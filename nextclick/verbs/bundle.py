"""nextclick bundle show|verify"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from nextclick.verbs.declare import Verbs, json_flag, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    bundle = verb(verbs, "bundle", "what training hands to production", run=None, example="nextclick bundle show DIR")
    below: Verbs = bundle.add_subparsers(title="verbs", metavar="VERB", dest="bundle_verb", required=True)
    show = verb(below, "show", "prints what a bundle says of itself", run=_show, example="nextclick bundle show bundle")
    verify = verb(
        below,
        "verify",
        "checks every byte of a bundle, and that it answers as it did when it was made",
        run=_verify,
        example="nextclick bundle verify bundle",
    )
    for each in (show, verify):
        each.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="default: the setting `bundle`")
        json_flag(each)


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from nextclick.terminal import say_json
    from serving.state import bundles

    manifest = bundles.read_manifest(_directory(arguments, settings))
    if arguments.json:
        say_json(msgspec.to_builtins(manifest))
        return 0
    data = manifest.data
    rows = {
        "version": f"{manifest.version} (counts {manifest.counts_version})",
        "made": f"{_day(manifest.created_at)}, by `{manifest.command}`",
        "from": f"{data.events} events of {data.sessions} sessions, {_day(data.first_ts)} to {_day(data.last_ts)}",
        "items": str(data.items),
        "files": f"{len(manifest.files)}, {sum(file.bytes for file in manifest.files.values()):,} bytes",
        "with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        **{name: str(value) for name, value in manifest.parameters.items()},
        **{name: f"{value:.4f}" for name, value in manifest.metrics.items()},
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")
    return 0


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.terminal import say_json
    from serving.state import bundles

    directory = _directory(arguments, settings)
    manifest, _ = bundles.verify(directory)
    golden = len(manifest.golden.sessions)
    if arguments.json:
        say_json(
            {"bundle": str(directory), "version": manifest.version, "files": len(manifest.files), "golden": golden}
        )
    else:
        print(
            f"{directory}: version {manifest.version}, {len(manifest.files)} files and {golden} golden answers verified"
        )
    return 0


def _directory(arguments: argparse.Namespace, settings: Settings) -> Path:
    return arguments.directory or Path(settings.bundle)


def _day(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).date().isoformat()
