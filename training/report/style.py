"""How the page looks: light and dark as the reader's screen is, one column on a phone, two beside each other."""

from __future__ import annotations

from typing import Final

from schemas.markup import Markup

STYLE: Final = Markup("""
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1b1f24; --soft: #59636e; --faint: #e3e6ea; --panel: #f6f7f9; --link: #0b57a4;
  --c0: #0b66b5; --c1: #d9660a; --c2: #0f8a66; --c3: #b8488f; --c4: #a07800; --c5: #6b56c0; --c6: #c23b3b;
  --c7: #7d8794; --c8: #aab2bc; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --ink: #e4e7eb; --soft: #9aa4af; --faint: #2d333a; --panel: #1c2026; --link: #79b8ff;
  --c0: #58a6ea; --c1: #f0954a; --c2: #3fbf95; --c3: #e07fbb; --c4: #d6ae3c; --c5: #a797f0; --c6: #ef7d7d;
  --c7: #8b95a1; --c8: #59626d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 66rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--faint); }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
.soft, figcaption, caption, small { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: 1rem 0 0; list-style: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.tile { background: var(--panel); border-radius: .5rem; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { display: block; font-weight: 600; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: .5rem 2.5rem; }
figure { margin: 1rem 0; min-width: 0; }
figcaption { font-size: .9rem; }
figcaption b { color: var(--ink); display: block; font-size: 1rem; }
svg { display: block; width: 100%; max-width: 30rem; height: auto; margin: .5rem 0; overflow: visible; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .strong { fill: var(--ink); font-weight: 600; }
svg .fine { font-size: 10px; }
svg .number { font-size: 34px; font-weight: 700; fill: var(--ink); stroke: var(--paper); stroke-width: 9px;
  paint-order: stroke; }
svg rect, svg circle { fill: currentColor; }
svg line { stroke: currentColor; }
svg .grid { color: var(--faint); }
svg .axis { color: var(--soft); }
svg .line { fill: none; stroke: currentColor; stroke-width: 2; }
svg .dots { fill: none; stroke: currentColor; stroke-width: 13; stroke-linecap: round; stroke-opacity: .75; }
.s0 { color: var(--c0); } .s1 { color: var(--c1); } .s2 { color: var(--c2); } .s3 { color: var(--c3); }
.s4 { color: var(--c4); } .s5 { color: var(--c5); } .s6 { color: var(--c6); } .s7 { color: var(--c7); }
.s8 { color: var(--c8); }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; padding: 0; margin: .3rem 0; list-style: none;
  font-size: .9rem; }
.key { display: inline-block; width: .75em; height: .75em; border-radius: 50%; background: currentColor;
  margin-right: .4em; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: .9rem; padding-bottom: .3rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--faint); }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; overflow-wrap: normal; }
td small, th small { display: block; font-weight: 400; }
tbody th { min-width: 8rem; }
tr.marked > * { background: var(--panel); }
details { margin: .3rem 0 1rem; }
summary { cursor: pointer; color: var(--link); font-size: .9rem; }
pre { background: var(--panel); border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap; font-size: .9rem; }
code { font-size: .92em; }
@media print { body { max-width: none; } details > * { display: block; } nav { display: none; } }
""")
