"""A text as the words it is found by: case, plurals and spelling levelled, in any script.

English endings are cut, so that ``indexing`` finds ``indexes``.  Names with signs inside (``read_table``,
``na.rm``, ``readTable``) are found whole and by their words.  Scripts that write no spaces between words
are taken two characters at a time; longer words of other alphabets also by their beginning, which is what
their endings leave.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

VERSION = 1
"""Of the rules; an index on disk depends on it."""

_SILENT = """
a about above after again all also am an and any are as at be because been before being below between
both but by can could did do does doing done each either else for from further get gets give given had
has have having he her here hers him his how i if in into is it its itself just let may me might more
most much must my no nor not now of off on once only or other our out over own please same shall she
should so some such than that the their them then there these they this those through to too under until
up upon us use used very was we were what whatever when where whether which while who whom whose why
will with within would you your yours
der die das ein eine einen und ist sind was wer wie wo welche welcher welches von zu im den dem des mit
le la les un une des du de et est sont que qui quoi quel quelle dans pour sur par au aux
el los las una y es son en del cual cuales como donde por para con
"""
STOP = frozenset(_SILENT.split())
"""Words that say nothing of what is asked for."""

_DEEDS = """
summarize summarise summary summaries overview outline tldr explain describe tell list name show say
says find document documents file files text texts paper book pdf report content contents main key
important point points idea ideas topic topics gist everything short shortly brief briefly sentence
sentences paragraph paragraphs bullet bullets word words discuss discussed according please translate
overall whole entire generally write
zusammenfassung fasse zusammen dokument resume resumen résumé résume documento
"""
ORDERS = frozenset(_DEEDS.split())
"""Words that say what is to be done; they count only beside a word that says of what."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(r"\w+(?:[.'’\-\u2010\u2011]\w+)*")
_PIECES = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z]{2})(?=\d)")
_MARKS = re.compile("[\u0300-\u036f]")
_LONGEST = 64
_BEGINNING = 5


def words(text: str) -> list[str]:
    """The words of a text as they stand, in order; each is what `terms` takes."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.replace("\xad", ""))
    return _WORD.findall(text)


@lru_cache(maxsize=1 << 17)
def terms(word: str) -> tuple[str, ...]:
    """What a word is found by; its main term first, then those of the words it is made of."""
    if len(word) > _LONGEST:
        word = word[:_LONGEST]
    pieces: list[str] = []
    for run in _PIECES.findall(word):
        if run[0] > "\u0dff" and re.match(f"[{_UNSPACED}]", run):
            pieces += [run[at : at + 2] for at in range(len(run) - 1)] or [run]
        else:
            pieces += _alphabetic(run)
    whole = fold(word).strip("_")
    if len(pieces) > 1 and re.fullmatch(r"[a-z0-9_.'’\-]+", whole) and not whole.endswith(("'s", "’s")):
        pieces.insert(0, whole.replace("’", "'"))
    return tuple(dict.fromkeys(pieces))


def fold(word: str) -> str:
    """A word without case and accents."""
    word = word.casefold()
    if word.isascii():
        return word
    bare = _MARKS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", bare)


def stem(word: str) -> str:
    """An English word in lower case without its ending; the same for its forms more often than not."""
    if len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "edly", "ed"):
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= 3 and re.search("[aeiouy]", bare):
            word = bare[:-1] if bare[-1] == bare[-2] and bare[-1] not in "lsz" else bare
            break
    for ending in (
        "ization",
        "isation",
        "ation",
        "ator",
        "ately",
        "ate",
        "ional",
        "ion",
        "ively",
        "ive",
        "ly",
    ):
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= (5 if ending == "ion" else 4):
            word = bare
            break
    if len(word) > 4 and word[-1] in "ey":
        word = word[:-1] if word[-1] == "e" else word[:-1] + "i"
    if len(word) > 5 and word.endswith("at"):  # calculated, calculating: as calculate, calculation
        word = word[:-2]
    return word


def wanted(question: str) -> list[tuple[str, ...]]:
    """The words that a question asks for, each as its terms, in order, each once.

    None where it says only what is to be done, as "summarize this" does.
    """
    asked: list[tuple[str, ...]] = []
    orders: list[tuple[str, ...]] = []
    for word in words(question):
        plain = word.casefold()
        if plain in STOP or plain.partition("'")[0].partition("’")[0] in STOP:
            continue
        found = terms(word)
        if not found:
            continue
        (orders if plain in ORDERS else asked).append(found)
    return list(dict.fromkeys(asked + orders)) if asked else []


def _alphabetic(run: str) -> list[str]:
    """Terms of a run of letters and digits of an alphabet."""
    if not run.isascii():
        plain = fold(run)
        return [plain, plain[:_BEGINNING] + "~"] if len(plain) > _BEGINNING else [plain]
    humps = _HUMP.split(run) if not run.islower() and not run.isdigit() else [run]
    found = [stem(hump.casefold()) for hump in humps]
    if len(humps) > 1:
        found.insert(0, run.casefold())
    return found
