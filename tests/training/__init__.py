"""Logs, catalogues, bundles made of them."""

from __future__ import annotations
