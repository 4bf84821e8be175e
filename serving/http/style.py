"""How the docs look: light and dark as the reader's screen is, readable on a phone."""

from __future__ import annotations

from typing import Final

from schemas.markup import Markup

STYLE: Final = Markup("""
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1b1f24; --soft: #59636e; --faint: #e3e6ea; --panel: #f6f7f9; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --ink: #e4e7eb; --soft: #9aa4af; --faint: #2d333a; --panel: #1c2026; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .4rem; padding-top: .8rem;
  border-top: 1px solid var(--faint); }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
small { display: block; font-weight: 400; }
small, .soft { color: var(--soft); }
nav ul { padding: 0; margin: 1rem 0 0; list-style: none; }
nav li { margin: .25rem 0; }
table { width: 100%; border-collapse: collapse; font-size: .94rem; table-layout: fixed; }
th, td { padding: .35rem .9rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--faint); }
th { width: 30%; font-weight: 600; }
pre { background: var(--panel); border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap; font-size: .88rem; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { font-size: .92em; }
b.method { display: inline-block; min-width: 5em; font-size: .8em; letter-spacing: .02em; color: var(--soft); }
""")
