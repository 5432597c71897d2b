"""The links of built pages: each leads somewhere inside the site, and nothing is fetched from anywhere else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
ELSEWHERE = re.compile(r"(https?:)?//", re.IGNORECASE)


class Page(HTMLParser):
    """What a page has (ids), what it loads with itself, and where it leads."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[key] for key in ("id", "name") if key in given}
        where = given.get(LOADING.get(tag, ""), "")
        # A <link> that is no style sheet or icon (next, prev, search) is not loaded.
        if tag == "link" and not {"stylesheet", "icon", "preload"} & set(given.get("rel", "").split()):
            self.leads.append(where)
        elif where:
            self.loads.append(where)
        if tag == "a" and given.get("href"):
            self.leads.append(given["href"])


def check(site: Path) -> tuple[list[str], list[str]]:
    """What is wrong, a sentence each, and the external addresses that the pages lead to."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    wrong, outside = [], set()
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        wrong += [f"{name} loads {where}" for where in page.loads if ELSEWHERE.match(where)]
        for where in [*page.loads, *page.leads]:
            if ELSEWHERE.match(where) or where.startswith(("mailto:", "data:", "javascript:")):
                outside.add(where)
            elif fault := _fault(path, where, pages):
                wrong.append(f"{name} links to {where}: {fault}")
    for path in site.rglob("*.css"):
        loads = re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", path.read_text(encoding="utf-8"))
        wrong += [f"{path.relative_to(site)} loads {where}" for where in loads]
    return sorted(set(wrong)), sorted(where for where in outside if ELSEWHERE.match(where))


def _fault(path: Path, where: str, pages: dict[Path, Page]) -> str:
    """Why a link inside the site leads nowhere; "" where it leads somewhere."""
    file, anchor = urldefrag(where)
    target = (path.parent / unquote(file.split("?")[0])).resolve() if file else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "there is no such file"
    if anchor and target in pages and unquote(anchor) not in pages[target].ids:
        return "the page has no such place"
    return ""
