"""The placements of a shop, as a request names one, and their rules over what is in service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schemas import placement
from schemas.errors import SettingsError
from schemas.placement import DEFAULT, Placement
from serving.http.problems import Refused
from serving.ranking.rules import Rules
from serving.ranking.table import Table


def load(file: str) -> Mapping[str, Placement]:
    """Those in the file; without one, `default` alone. SettingsError when it cannot be used."""
    if not file:
        return {DEFAULT: Placement.default()}
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"placements is {file!r}, which cannot be read ({error}); name a TOML file") from None
    return placement.read(text, file)


class Placements:
    def __init__(self, known: Mapping[str, Placement]) -> None:
        self._known = known
        #: By placement, and the table that they are over.
        self._rules: dict[str, tuple[Table, Rules]] = {}

    @classmethod
    def load(cls, file: str) -> Placements:
        return cls(load(file))

    def named(self, name: str) -> Placement:
        found = self._known.get(name)
        if found is None:
            raise Refused(
                400,
                "invalid",
                "there is no such placement in the file that the setting `placements` names",
                "placement",
            )
        return found

    def rules(self, of: Placement, table: Table) -> Rules:
        over, rules = self._rules.get(of.name, (None, None))
        if rules is None or over is not table:
            rules = Rules(of, table)
            self._rules[of.name] = (table, rules)
        return rules
