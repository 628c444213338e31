"""Where a method comes from, read from the docstring of its file without importing it."""

import re
from dataclasses import dataclass
from functools import cache

from benchmark.model import registry

# "Fu et al., TITLE, 2019, arXiv 1903.10145", as every file of `baselines/` states its source.
_CITED = re.compile(
    r"([A-Z][\w'’-]+(?: et al\.| & [A-Z][\w'’-]+)?), ([^,].*?), (\d{4}), "
    r"(?:arXiv (\d{4}\.\d{4,5})|(https://[^\s,;]+[^\s,;.]))"
)


@dataclass(frozen=True)
class Paper:
    """A paper: ``short`` is "Fu et al. 2019"."""

    short: str
    title: str
    url: str


@dataclass(frozen=True)
class Source:
    """The papers of a method, or why there are none; ``text`` is all that its file says of it."""

    text: str
    papers: tuple[Paper, ...] = ()

    @property
    def short(self) -> str:
        """The papers in few words, or that there are none."""
        return ", ".join(paper.short for paper in self.papers) or self.text


@cache
def of(baseline: str) -> Source:
    """Return the source of a method of ``baselines/``."""
    try:
        told = registry.documented(baseline).get("Source", "")
    except (OSError, SyntaxError, ValueError):
        return Source("not known")
    text = " ".join(told.partition("\n\n")[0].split())
    if "no paper" in text:
        return Source("no paper")
    papers = [
        Paper(f"{authors} {year}", title, f"https://arxiv.org/abs/{arxiv}" if arxiv else url)
        for authors, title, year, arxiv, url in _CITED.findall(text)
    ]
    return Source(text, tuple(papers)) if papers else Source("not known")
