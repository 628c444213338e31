"""The leaderboard's files: Markdown, a page, and tables in a README; written or compared."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import check_writable, write_atomic
from benchmark.core.records import is_done
from benchmark.core.schema import Record
from benchmark.report.leaderboard import collected, html, text
from benchmark.report.leaderboard.rows import Corpus
from benchmark.report.report import RESULTS, places

FOLDER = Path("docs")
NAME = "leaderboard"
_BLOCK = re.compile(
    r"(?P<open>^<!-- leaderboard:(?P<what>\S+) -->$)"
    r"(?P<body>(?:(?!^<!-- /?leaderboard:).)*)"
    r"(?P<close>^<!-- /leaderboard:(?P=what) -->$)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Leaderboard:
    """All collected files of a folder, by study; nothing is written before `write`."""

    results: Path
    studies: dict[str, list[Record]]

    @cached_property
    def corpora(self) -> list[Corpus]:
        """The rows that have been run, by corpus."""
        return collected.corpora(self.studies)

    @property
    def records(self) -> int:
        """How many different runs the rows have."""
        done = (line for lines in self.studies.values() for line in lines if is_done(line))
        return len({(line["id"], line.get("evaluation", 1)) for line in done})

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(corpus.entries) for corpus in self.corpora)

    def texts(self, out: Path, readme: Path | None = None) -> dict[Path, str]:
        """Return the content of each file."""
        folder = places("", self.results).tables
        tables = Path(os.path.relpath(folder, out)).as_posix()
        contents = {
            out / f"{NAME}.{kind}": of.page(self.corpora, self.records, tables)
            for kind, of in (("md", text), ("html", html))
        }
        if readme is not None:
            contents[readme] = self.filled(readme)
        return contents

    def write(self, out: Path, readme: Path | None = None) -> list[Path]:
        """Write all files, after all of them are made, and return them."""
        contents = self.texts(out, readme)
        check_writable(out, "--out")
        for path, content in contents.items():
            write_atomic(path, content.encode())
        return list(contents)

    def differing(self, out: Path, readme: Path | None = None) -> list[str]:
        """Return the files that do not match the records, as "docs/leaderboard.md: is missing"."""
        problems = []
        for path, content in self.texts(out, readme).items():
            if not path.exists():
                problems.append(f"{path}: is missing")
            elif path.read_bytes() != content.encode():
                problems.append(f"{path}: does not match {self.results}")
        return problems

    def filled(self, readme: Path) -> str:
        """Return a page with tables between its markers; one without markers as it is.

        The markers are ``<!-- leaderboard:STUDY -->`` and ``<!-- /leaderboard:STUDY -->``, in
        lines of their own; ``STUDY:DATA`` in both chooses one data set of a study.
        """
        try:
            before = readme.read_bytes().decode()
        except (OSError, ValueError) as error:
            raise UserError(f"{readme}: cannot be read ({error})") from None

        def fill(match: re.Match[str]) -> str:
            what = match["what"]
            if match["close"] is None:
                raise UserError(
                    f"{readme}: lacks the line <!-- /leaderboard:{what} -->; add it where the "
                    "table ends"
                )
            table = text.block(self._chosen(what, readme))
            return f"{match['open']}\n{table}\n{match['close']}"

        return _BLOCK.sub(fill, before)

    def _chosen(self, what: str, readme: Path) -> Corpus:
        """Return the rows of a marker: of one study, on one data set."""
        study, _, data = what.partition(":")
        marker = f"{readme}: <!-- leaderboard:{what} -->"
        if study not in self.studies:
            raise UserError(f"{marker}: no such study; {suggest(study, [*self.studies])}")
        corpora = collected.corpora({study: self.studies[study]})
        titles = [corpus.key.data for corpus in corpora]
        if data:
            corpora = [corpus for corpus in corpora if corpus.key.data == data]
        if not titles:
            raise UserError(f"{marker}: the study has no record yet")
        if len(corpora) != 1:
            listed = ", ".join(dict.fromkeys(titles))
            reason = "has no record on it" if not corpora else "has several tables"
            raise UserError(f"{marker}: {study} {reason}; name one after the study: {listed}")
        return corpora[0]


def read(results: Path) -> Leaderboard:
    """Return the leaderboard of a folder of collected files.

    Raises:
        UserError: no record, or one that is damaged or contradicts itself.
    """
    return Leaderboard(results, collected.read(results))


def place(results: Path) -> Path:
    """Return where the leaderboard goes by default: the repository's in ``docs``."""
    return FOLDER if results.absolute() == RESULTS.absolute() else results
