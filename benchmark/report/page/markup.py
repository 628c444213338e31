"""Text as HTML: nothing that a record, a label or a sample says becomes markup."""

import html
import json
import re
from urllib.parse import quote

# Control characters and halves of surrogate pairs: no HTML file may hold them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def text(value: object) -> str:
    """``value`` as text, also inside an attribute's quotes."""
    return html.escape(_printable(str(value)))


def name(value: object) -> str:
    """A label as text that may break after the signs it is put together with."""
    return re.sub(r"([_,:=])", r"\1<wbr>", text(value))


def prose(value: str) -> str:
    """Text whose words between backticks are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(value))


def code(value: object) -> str:
    """Text as code."""
    return f"<code>{text(value)}</code>"


def anchor(name: str) -> str:
    """What names a place in the page: free of blanks, as text of an attribute."""
    return text(_place(name))


def link(name: str, content: str) -> str:
    """A link to a place in the page around ``content``, which is HTML."""
    return f'<a href="#{quote(_place(name))}">{content}</a>'


def figure(value: object) -> str:
    """A record's figure as text: six digits, "yes", a dash for None, JSON for the rest."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        return re.sub("^-", "−", shown)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _place(name: str) -> str:
    return re.sub(r"\s", "_", _printable(name))


def _printable(value: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value)
