"""One HTML page with everything in it: no script, no link, pictures as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from gpunn.text import escaped

STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #666; --line: #ddd; --faint: #eee; --back: #fff;
        --link: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --soft: #9aa0a6; --line: #444; --faint: #333; --back: #16181b; --link: #8ab4f8; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem;
       border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
a { color: var(--link); } nav a { margin-right: 1rem; white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid var(--faint); }
th { font-weight: 600; } .words th, .words td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.words th { white-space: nowrap; }
pre { font-size: 11.5px; line-height: 1.4; } .wide { overflow-x: auto; }
figure { margin: 0; text-align: center; } img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption, .note { color: var(--soft); font-size: .9rem; } figcaption { text-align: left; }
.facts { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; margin: 1rem 0; padding: 0; list-style: none; }
.facts b { display: block; font-size: 1.25rem; font-weight: 600; }
"""
# The browser itself holds the page to it: nothing is fetched, nothing runs.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Sections:
    """A page's sections by their headings, and in words what the page leaves out: no section is empty."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

    def add(self, heading: str, *parts: str) -> None:
        """A section of HTML, as the functions below make it; none where there is nothing in it."""
        if body := "\n".join(filter(None, parts)):
            self.parts[heading] = body

    def leave_out(self, heading: str, why: str) -> None:
        """A section that this page does not have, and the reason, which the page's end gives."""
        self.left_out[heading] = why


def page(title: str, head: Iterable[str], sections: Sections) -> str:
    """A whole HTML document: its title, what stands on top, the list of contents, the sections."""
    names = {heading: "-".join(heading.lower().split()) for heading in sections.parts}
    links = "\n".join(f'<a href="#{escaped(name)}">{escaped(heading)}</a>' for heading, name in names.items())
    bodies = [
        f'<h2 id="{escaped(names[heading])}">{escaped(heading)}</h2>\n{body}'
        for heading, body in sections.parts.items()
    ]
    missing = "; ".join(f"{heading}: {why}" for heading, why in sections.left_out.items())
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escaped(title)}</h1>\n"
        + "\n".join([*head, f'<nav aria-label="contents">{links}</nav>', *bodies])
        + (f"\n{note(f'Not on this page: {missing}.')}" if missing else "")
        + "\n</body>\n</html>\n"
    )


def note(text: str) -> str:
    """A paragraph in grey."""
    return f'<p class="note">{escaped(text)}</p>'


def facts(pairs: dict[str, str]) -> str:
    """A line of large values, each over its name."""
    items = "".join(f"<li><b>{escaped(value)}</b> {escaped(name)}</li>" for name, value in pairs.items())
    return f'<ul class="facts">{items}</ul>'


def picture(png: bytes, caption: str) -> str:
    """A picture with its caption, which is also what a screen reader says."""
    data = base64.b64encode(png).decode()
    text = escaped(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers under their names."""
    top = "".join(f"<th>{escaped(name)}</th>" for name in head)
    body = "\n".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{top}</tr>\n{body}\n</table></div>'


def words(pairs: dict[str, str]) -> str:
    """A table of names and what they stand for."""
    body = "\n".join(f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>" for name, value in pairs.items())
    return f'<table class="words">\n{body}\n</table>'


def text(block: str) -> str:
    """Text whose columns stay under each other."""
    lines = "\n".join(map(escaped, block.split("\n")))
    return f'<pre class="wide">{lines}</pre>'
