"""The report of a study: tables, figures and a page, written or compared with what is there."""

import shlex
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core import consistency, sentences
from benchmark.core.consistency import Finding
from benchmark.core.errors import UserError
from benchmark.core.files import check_writable, plain, write_atomic
from benchmark.core.records import read_jsonl
from benchmark.core.schema import Record
from benchmark.report import checkpoints, formats, tables, terminal
from benchmark.report.formats import Table
from benchmark.report.grouping import Group, caveats, groups, preset_caveats
from benchmark.report.verdict import reading, verdict
from benchmark.sweep.study import locate, planned

if TYPE_CHECKING:
    from benchmark.report.figures import Picture


RESULTS, TABLES = Path("results"), Path("paper/tables")
MOST_SVG = 125_000  # bytes of a figure on the page; a larger one, of very many points, is a PNG


@dataclass(frozen=True)
class Places:
    """Folders of tables and figures, and the page's file; None: no figures, no page."""

    tables: Path
    figures: Path | None = None
    page: Path | None = None


def places(name: str, results: Path, out: Path | None = None) -> Places:
    """Return where a study's report goes by default.

    The repository's records have theirs in ``paper/tables`` and ``paper/figures``, others in
    ``tables`` and ``figures`` beside them. The page is beside the records, but in ``out`` if that
    is given: records may be read-only.
    """
    home = TABLES if results.absolute() == RESULTS.absolute() else results / "tables"
    folder = out or home
    figures = folder.parent / "figures" if folder.name == "tables" else folder
    page = results if folder.absolute() == home.absolute() else folder
    return Places(folder, figures, page / f"{name}.html")


@dataclass(frozen=True)
class Report:
    """A study's records and what follows from them; nothing is written before `write`."""

    name: str  # of the study
    file: str  # of the study, as far as it is known
    path: Path  # of the collected file
    lines: list[Record]
    findings: list[Finding]
    groups: list[Group]  # the lines by table, from which tables, figures and verdict are made
    built: list[Table]

    @cached_property
    def markdown(self) -> str:
        """The tables and the remarks on the records."""
        known = [one for one in self.findings if not one.wrong]
        remarks = [f"{one.id}: {one.text}" if one.id else one.text for one in known]
        return formats.markdown(self.name, self.built, tables.remarks(self.lines) + remarks)

    @cached_property
    def pictures(self) -> "list[Picture]":
        """The figures' titles and numbers; nothing is drawn."""
        from benchmark.report import figures  # matplotlib takes a second

        return list(figures.pictures(self.name, self.groups))

    @property
    def wrong(self) -> list[str]:
        """What cannot be, with file and line."""
        return [one.message(self.path) for one in self.findings if one.wrong]

    def summary(self, colour: bool = False, full: bool = False, quiet: bool = False) -> str:
        """Return the text for the terminal; if records are wrong, only what is wrong.

        ``full`` gives all tables with all columns, as Markdown; ``quiet`` only what is in doubt.
        """
        wrong = terminal.problems(self.wrong, colour) if self.wrong else ""
        if full:
            return f"{self.markdown}\n{wrong}" if wrong else self.markdown
        if wrong or quiet:
            return wrong or "".join(f"{one}\n" for one in terminal.remarks(self.findings))
        doubts = caveats([line for group in self.groups for line in group.lines])
        words = verdict(self.groups), self.built, doubts, self.findings
        return terminal.text(*words, colour, reading(self.groups))

    def texts(self, to: Places) -> dict[Path, str]:
        """Return the content of each file that belongs in version control, except images."""
        contents = {
            to.tables / f"{self.name}.md": self.markdown,
            to.tables / f"{self.name}.tex": formats.latex(self.name, self.built),
            to.tables / f"{self.name}.csv": formats.csv(self.built),
        }
        if to.figures is not None:
            contents |= {to.figures / f"{one.name}.csv": one.csv for one in self.pictures}
        return contents

    def write(self, to: Places) -> list[Path]:
        """Write everything, unless a record is wrong, and return the files."""
        if self.wrong:
            return []
        page = to.page.parent if to.page else None
        for folder, option in ((to.tables, "--out"), (to.figures, "--figures"), (page, "--page")):
            if folder is not None:
                check_writable(folder, option)
        contents = {path: text.encode() for path, text in self.texts(to).items()}
        images: dict[str, bytes] = {}
        if to.figures is not None:
            for picture in self.pictures:
                png, pdf, svg = picture.images("png", "pdf", "svg")
                contents[to.figures / f"{picture.name}.png"] = png
                contents[to.figures / f"{picture.name}.pdf"] = pdf
                images[picture.title] = svg if len(svg) <= MOST_SVG else png
        if to.page is not None:
            contents[to.page] = self._page(images, to).encode()
        for path, content in contents.items():
            write_atomic(path, content)
        return list(contents)

    def _page(self, images: dict[str, bytes], to: Places) -> str:
        """Return the HTML page with figures by title, and the command that makes it."""
        from benchmark.report.page import page

        results = self.path.parent
        words = ["pcbench", "report", self.file]
        words += ["--results", str(results)] if results != RESULTS else []
        if to.tables != places(self.name, results).tables:
            words += ["--out", str(to.tables)]
        usual = places(self.name, results, to.tables)
        if to.figures is None:
            words += ["--no-figures"]
        elif to.figures != usual.figures:
            words += ["--figures", str(to.figures)]
        if to.page is not None and (to.page != usual.page or to.figures is None):
            words += ["--page", str(to.page)]
        origin = self.file, str(results), shlex.join(words)
        limits = [*preset_caveats(self.lines), reading(self.groups)]
        said = verdict(self.groups), " ".join(limits)
        return page(self.name, self.built, self.lines, images, self.findings, *origin, *said)

    def differing(self, to: Places, readme: Path | None = None) -> list[str]:
        """Return the files that do not match the records, as "paper/tables/a.md: is missing".

        Only text is compared, of figures their numbers: images differ between versions of the
        library that draws them.
        """
        problems = []
        for path, text in self.texts(to).items():
            if not path.exists():
                problems.append(f"{path}: is missing")
            elif path.read_bytes() != text.encode():
                problems.append(f"{path}: does not match {self.path}")
        if to.figures is not None:
            from benchmark.report import figures

            names = {one.name for one in self.pictures}
            problems += [f"{path}: is of no figure of {self.path}; remove it and its images"
                         for path in figures.leftover(self.name, to.figures, names)]  # fmt: skip
        return problems + ([] if readme is None else self.unlike(readme))

    def unlike(self, page: Path) -> list[str]:
        """Return the differences of the tables between a page's markers, as in `differing`."""
        same = page.read_text(encoding="utf-8") == self._filled(page)
        return [] if same else [f"{page}: its table does not match {self.path}"]

    def fill(self, page: Path) -> None:
        """Write the short tables between the study's markers in a page, unless a record is wrong.

        The markers are ``<!-- results:NAME -->`` and ``<!-- /results:NAME -->``.
        """
        if not self.wrong:
            write_atomic(page, self._filled(page).encode())

    def _filled(self, page: Path) -> str:
        start, end = f"<!-- results:{self.name} -->", f"<!-- /results:{self.name} -->"
        head, opened, rest = page.read_text(encoding="utf-8").partition(start)
        _, closed, tail = rest.partition(end)
        if not (opened and closed):
            raise UserError(
                f"{page}: lacks the lines {start} and {end}; add them where the table goes"
            )
        return f"{head}{start}\n{formats.short(self.built)}\n{end}{tail}"


def read(study: str, results: Path) -> Report:
    """Return the report of a collected study.

    Args:
        study: a study file or its name.
        results: folder of collected files.
    """
    given = Path(study)
    is_file = given.suffix in (".toml", ".jsonl") or given.is_file()  # a name may hold a dot
    name = plain(given.stem if is_file else study)
    path = results / f"{name}.jsonl"
    file = study if is_file and given.suffix != ".jsonl" else f"paper/{name}.toml"
    if not path.exists():
        raise UserError(f"{path}: no such file; run `pcbench collect {file}` first")
    lines = read_jsonl(path)
    if not lines:
        raise UserError(f"{path}: holds no run; run `pcbench collect {file}` again")
    arrays = checkpoints.load(sentences.path_of(results, name), lines)
    source = locate(file if Path(file).exists() else name)
    by_table = groups(lines, planned(source))
    built = tables.build(by_table, arrays)
    findings = consistency.check(lines, _seeds(source))
    return Report(name, file, path, lines, findings, by_table, built)


def _seeds(file: Path) -> list[int] | None:
    """Return the seeds that a study's file states; None if it is not there or damaged.

    What is wrong with the file is reported by the commands that train its runs.
    """
    try:
        seeds = tomllib.loads(file.read_text(encoding="utf-8"))["study"]["seeds"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return seeds if isinstance(seeds, list) and all(type(s) is int for s in seeds) else None
