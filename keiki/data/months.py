"""Names of months in the common languages of Europe, written out or shortened so far that one month is left."""

from __future__ import annotations

import unicodedata
from functools import cache

_NAMES = (  # English, German, Dutch, French, Spanish, Italian, Portuguese, Swedish, Danish and Norwegian
    "january januar janner januari janvier enero gennaio janeiro",
    "february februar feber februari fevrier febrero febbraio fevereiro",
    "march marz maerz mrz maart mrt mars marzo marco marts",
    "april avril abril aprile",
    "may mai mei mayo maggio maio maj",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august augustus aout agosto augusti",
    "september septembre septiembre settembre setembro",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dicembre dezembro",
)
_SHORTEST = 3  # letters


@cache
def month_number(name: str) -> int | None:
    """The number of the month that is called so; None where none is, or several could be.

    >>> [month_number(name) for name in ("Mar", "M\\u00e4rz", "Sept", "juil", "jui")]
    [3, 3, 9, 7, None]
    """
    plain = _plain(name)
    if len(plain) < _SHORTEST:
        return None
    found = [i for i, names in enumerate(_NAMES, start=1) if any(each.startswith(plain) for each in names.split())]
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    """In small letters and without accents."""
    letters = unicodedata.normalize("NFD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
