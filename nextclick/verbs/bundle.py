"""nextclick bundle show|verify|activate|rollback"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nextclick.verbs.declare import Verbs, json_flag, verb
from schemas.settings import Settings

if TYPE_CHECKING:
    from schemas.bundle import Manifest
    from serving.state.folder import Change

#: No evaluation nests its figures further.
_DEEP: Final = 8


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
        each.add_argument(
            "directory", nargs="?", type=Path, metavar="DIR", help="a bundle or a folder of them; default: `bundle`"
        )
    activate = verb(
        below,
        "activate",
        "puts a bundle of a folder into service, once it is verified; running workers follow",
        run=_activate,
        example="nextclick bundle activate bundles 3f2a9c11d0e4\nnextclick bundle activate bundles/2024-06-01",
    )
    activate.add_argument("folder", type=Path, metavar="FOLDER", help="holds the bundles; alone: the bundle in it")
    activate.add_argument("bundle", nargs="?", metavar="BUNDLE", help="the version or the name of a bundle there")
    rollback = verb(
        below,
        "rollback",
        "puts the bundle that was in service before back into service",
        run=_rollback,
        example="nextclick bundle rollback bundles",
    )
    rollback.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: the setting `bundle`")
    for each in (show, verify, activate, rollback):
        json_flag(each)


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from nextclick.terminal import plain, say_json
    from serving.state import bundles

    manifest = bundles.read_manifest(arguments.directory or Path(settings.bundle))
    if arguments.json:
        say_json(msgspec.to_builtins(manifest))
        return 0
    rows = [*_origin(manifest), *manifest.parameters.items(), *_measured(manifest.evaluation), *_cost(manifest)]
    width = max(len(plain(name)) for name, _ in rows)
    for name, value in rows:
        print(f"{plain(name):{width}}  {plain(str(value))}")
    return 0


def _origin(manifest: Manifest) -> Iterator[tuple[str, str]]:
    data = manifest.data
    yield "version", f"{manifest.version} (counts {manifest.counts_version})"
    yield "made", f"{_day(manifest.created_at)}, by `{manifest.command}`, seed {manifest.seed}"
    span = f", {_day(data.first_ts)} to {_day(data.last_ts)}" if data.clocked else ", which have no times"
    yield "from", f"{data.events} events of {data.sessions} sessions{span}"
    yield "log", f"sha256 {data.log_sha256}"
    yield "items", str(data.items)
    for name, files in (("files", manifest.files), ("documents", manifest.documents)):
        if files:
            yield name, f"{len(files)}, {sum(file.bytes for file in files.values()):,} bytes"
    yield "golden", f"{len(manifest.golden.sessions)} sessions"
    yield "with", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())


def _measured(evaluation: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, str]]:
    """One line for each thing, whatever evaluation has come to measure: nested names are joined."""
    for name, value in evaluation.items():
        if isinstance(value, dict):
            plain = {key: each for key, each in value.items() if not isinstance(each, dict | list)}
            if plain:
                yield name, ", ".join(f"{key} {_figure(each)}" for key, each in plain.items())
            deeper = {f"{name} {key}": each for key, each in value.items() if isinstance(each, dict)}
            yield from _measured(deeper, depth + 1) if depth < _DEEP else ()
        elif not isinstance(value, list):
            yield name, _figure(value)


def _cost(manifest: Manifest) -> Iterator[tuple[str, str]]:
    if manifest.seconds:
        yield "seconds", ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in manifest.seconds.items())
    if manifest.peak_memory_bytes:
        yield "memory", f"{manifest.peak_memory_bytes / 2**20:,.0f} MiB at most"


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.terminal import say_json
    from serving.state import bundles

    place = arguments.directory or Path(settings.bundle)
    manifest, _ = bundles.verify(place)
    files, golden = len(manifest.files) + len(manifest.documents), len(manifest.golden.sessions)
    if arguments.json:
        say_json({"bundle": str(place), "version": manifest.version, "files": files, "golden": golden})
    else:
        print(f"{place}: version {manifest.version}, {files} files and {golden} golden answers verified")
    return 0


def _activate(arguments: argparse.Namespace, settings: Settings) -> int:
    from serving.state import folder

    place, name = (arguments.folder, arguments.bundle) if arguments.bundle else folder.split(arguments.folder)
    return _tell(place, folder.activate(place, name), as_json=arguments.json)


def _rollback(arguments: argparse.Namespace, settings: Settings) -> int:
    from serving.state import folder

    place = arguments.folder or Path(settings.bundle)
    return _tell(place, folder.rollback(place), as_json=arguments.json)


def _tell(place: Path, change: Change, *, as_json: bool) -> int:
    from nextclick.terminal import plain, say_json

    version = change.manifest.version
    if as_json:
        say_json({"folder": str(place), "was": change.was, "is": change.now, "version": version})
        return 0
    if change.was == change.now:
        said = "as it was before"
    elif change.was is None:
        said = "where nothing was before"
    else:
        back = shlex.join(["nextclick", "bundle", "rollback", str(place)])
        said = f"in the place of {change.was}; `{back}` goes back to that"
    print(plain(f"{place}: {change.now}, version {version}, is in service {said}"))
    return 0


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _day(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).date().isoformat()
