"""Find the channels that a text speaks of: by name, by the words of a name, and by what the text says they measure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from ape.agents.understanding.words import WORDS
from ape.series.units import BRACKETED, OF_UNIT, SUFFIXED, UNSURE, without_unit

QUANTITY: dict[str, str] = {word: quantity for quantity, words in WORDS["quantity"].items() for word in words}
ABBREVIATION: dict[str, str] = WORDS["abbreviation"]
LETTER: dict[str, str] = WORDS["letter"]
TAG_LETTER: dict[str, str] = WORDS["tag_letter"]
GENERIC, THING = frozenset(WORDS["words"]["generic"]), frozenset(WORDS["words"]["thing"])
COMPOUND: dict[str, str] = WORDS["compound"]
QUANTITIES = frozenset(WORDS["quantity"])
# quantity that a unit measures, for channels whose name says nothing else
MEASURED = {
    "share": "",
    "time": "",
    "data": "",
    "rate of data": "traffic",
    "length": "",
    "volume": "",
    "mass": "weight",
}
OF_WORD = {"rpm": "speed", "bpm": "pulse"}  # quantities of units that say more than their dimension
DRIVES, DRIVEN = frozenset(WORDS["words"]["drives"]), frozenset(WORDS["words"]["driven"])
OF_DRIVES = frozenset({"current", "power", "torque", "speed", "voltage"})
# ends of names that are units, and say nothing else
UNITS = (
    (frozenset(OF_UNIT) | frozenset(WORDS["words"]["unit_end"]))
    - UNSURE
    - frozenset(ABBREVIATION)
    - frozenset(QUANTITY)
)
MOST_LISTED = 3  # channels that a word may mean
BEFORE, AFTER = 4, 5  # words around a quantity that may say of what it is
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_NAME_TOKEN = re.compile(r"[^\W\d_a-z]+(?![a-z])|[^\W\d_]?[a-zß-ÿ]+|\d+|[^\W\d_]+")
# first letters of a tag of a plant, as in TI-204 and FT-101
_TAG = re.compile(rf"[{''.join(TAG_LETTER)}][itcersy]{{1,2}}")
# words between which a quantity and what it is of stay one phrase
_LINK, _STOP, _SEVERAL, _STATE, _BECOMES = (
    frozenset(WORDS["words"][kind]) for kind in ("link", "stop", "several", "state", "becomes")
)
_ALL = re.compile(
    r"\b(?:all|every|each)(?: of)?(?: the| its| our)?(?: other| single)?"
    r" (?:sensors?|channels?|readings?|signals?|values?|measurements?|tags?|metrics?|sums|graphs?|curves?"
    r"|series)\b(?! (?:of|from)\b)"
    r"|\ball of (?:them|it)\b",
    re.IGNORECASE,
)
# conditions and comparisons, which speak of other channels than those affected
WHEN = re.compile(
    r"\b(?:when|while|if) (?:the )?[\w ]{1,30} (?:is|are|gets?) (?:very )?(?:high|low|full|empty|hot|cold|idle"
    r"|busy)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:at|under|in|during|on|with|from) (?:very |rather )?(?:high|low|full|heavy|peak|maximum|light|partial"
    r"|no) \w+"
    rf"|{WHEN.pattern}|\bthan\b[^,;.]*|\bunder load\b",
    re.IGNORECASE,
)
_COMPOUND = re.compile(rf"\b(?:{'|'.join(COMPOUND)})\b", re.IGNORECASE)
# a clause about what goes on as usual beside the failure
_ALTHOUGH = re.compile(r"\b(?:although|(?:even )?though|despite|in spite of)\b[^;:.,]*", re.IGNORECASE)
# borders of clauses, then of parts that may be items of one list
_BORDER = re.compile(r"[;:.]\s|\b(?:but|while|whereas|yet|although|though|even if)\b", re.IGNORECASE)
_LABEL = re.compile(r"[^:;,.]{1,30}: ")
_PART = re.compile(r",|\band\b|\bor\b|\bnor\b", re.IGNORECASE)
# a part about channels that do not change
_UNCHANGED = re.compile(
    r"\b(?:holds?|held|stays?|stayed|remains?|hardly|barely|scarcely|as (?:ever|usual|before)|normal|right|steady"
    r"|unaffected|not affected|unchanged|constant|on time|keeps? its|know(?:s)? nothing|behaves?|fine|in order"
    r"|(?:do|does|did)(?: not|n't)(?:\s*$| (?:\w+ )?(?:move|change|react|rise|fall|drop|follow|respond|show)))"
    r"(?!\w)(?! (?:at|on|in) )",
    re.IGNORECASE,
)
# of parts that say what a channel sticks to, which is a failure
_STUCK = re.compile(r"\b(?:stuck|frozen|freez|constant value|same value|last value|flat|at zero)", re.IGNORECASE)
# "x2: oil level in mm", "s3 = flow", "XMEAS(9) - reactor temperature"
_DESCRIBED = re.compile(
    r"^[\s*#>|\-]*(?P<names>.{1,120}?)\s*(?::\s|=|\s[–—-]\s|\t|\||\bis\b|\bmeasures\b|\bshows\b)\s*(?P<what>\S.*)$"
)
_PHRASE_END = re.compile(
    r"[.;,:(\[]|\b(?:of|at|in|on|for|by|per|to|from|that|which|what|with|over|through|after|before)\b"
)
# "Pressure behind the pump (bar)"
_BRACKETS = re.compile(r"[^()\[\].;,]*[(\[](?P<unit>[^()\[\]]{1,12})[)\]]")
# "in m", ", mm/s.", "(bar)", "[°C]"
_UNIT = re.compile(r"(?:^|\bin |, ?(?!in\b)|[(\[])(?P<unit>[^\s,;()\[\]]{1,8}?)(?=[.,;:)\]](?:\s|$)|$)")


@dataclass(frozen=True)
class Channel:
    """What is known about a channel.

    Parameters
    ----------
    name : str
    heads : frozenset of str
        What it measures, such as "pressure".
    of : frozenset of str
        Of what it is, such as "suction".
    unit : str or None
        As in the name or in the text.
    """

    name: str
    heads: frozenset[str]
    of: frozenset[str] = frozenset()
    unit: str | None = None

    @cached_property
    def kind(self) -> str | None:
        """Dimension of the unit."""
        return dimension(self.unit) if self.unit else None

    @property
    def in_percent(self) -> bool:
        """Whether its values are shares in per cent."""
        return self.unit is not None and self.unit.lower() in ("%", "pct", "percent")

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Pattern of the name in a text; None for a name that is a common word of one letter."""
        tokens = _NAME_TOKEN.findall(_base(self.name)) or [self.name]
        if self.name in ("A", "a", "I", "i"):
            return None
        pattern = r"[\s_\-.()\[\]]*".join(map(re.escape, tokens))
        if len(tokens) == 1 and tokens[0].lower() in ABBREVIATION and tokens[0] != self.name:
            tokens = [self.name]
        plural = "" if _singular(tokens[-1].lower()) in QUANTITY else "s?"
        flags = 0 if len(self.name) <= 2 else re.IGNORECASE
        return re.compile(rf"(?<!\w)(?:{re.escape(self.name)}|{pattern}{plural})(?!\w)", flags)

    def unit_in(self, text: str) -> str | None:
        """Return the unit in the first brackets after the name in a text."""
        match = self.pattern.search(text) if self.pattern is not None else None
        unit = _BRACKETS.match(text, match.end()) if match is not None else None
        return unit["unit"] if unit is not None and dimension(unit["unit"]) else None


@dataclass(frozen=True)
class Mentions:
    """Channels that a text speaks of, and words that fit several channels."""

    names: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)


def dimension(unit: str) -> str | None:
    """Return what a unit measures; None for an unknown unit."""
    lower = unit.strip().lower().replace("²", "2").replace("³", "3")
    return OF_UNIT.get(lower) or OF_UNIT.get(lower.removeprefix("°"))


def describe_channels(names: Sequence[str], lines: Iterable[str] = ()) -> list[Channel]:
    """Return what the names of channels, and the lines that describe them, say about each."""
    channels = {name: _from_name(name) for name in names}
    for line in (part for whole in lines for part in re.split(r"(?<=[;.])\s", whole)):
        described, what = description(line, list(channels.values())) or ([], "")
        for channel in described:
            channels[channel.name] = _with_description(channels[channel.name], what)
        for channel in channels.values():
            if channel.unit is None and (unit := channel.unit_in(line)) is not None:
                channels[channel.name] = replace(channel, unit=unit)
    return list(channels.values())


def description(line: str, channels: Sequence[Channel]) -> tuple[list[Channel], str] | None:
    """Split a line that says what channels are into these and the rest; None for another line."""
    match = _DESCRIBED.match(line)
    if match is None:
        return None
    rest, found = match["names"], []
    for channel in sorted(channels, key=lambda each: -len(each.name)):
        if channel.pattern is not None and channel.pattern.search(rest):
            rest = channel.pattern.sub(" ", rest)
            found.append(channel)
    rest = re.sub(r"\([^)]*\)|\[[^\]]*\]|\b(?:and|or|the|channels?|sensors?|signals?|columns?)\b|[\W_]", "", rest)
    return (found, match["what"]) if found and not rest else None


def affected(text: str, channels: Sequence[Channel]) -> Mentions:
    """Return the channels that a text speaks of, without those that it says do not change, or compares with."""
    text = _ALTHOUGH.sub(" ", _CONDITION.sub(" ", text))
    changed, unchanged, ambiguous = Counter[str](), set[str](), list[str]()
    if _ALL.search(text):
        changed.update(channel.name for channel in channels)
    label = _LABEL.match(text)
    for clause in _BORDER.split(text):
        for part in _parts(clause, channels):
            mentions = mentioned(part, channels)
            if _UNCHANGED.search(part) and not _STUCK.search(part):
                unchanged.update(mentions.names)
            else:
                changed.update(mentions.names)
                ambiguous += mentions.ambiguous
    names = [name for name in changed if name not in unchanged]
    if label is not None and (rest := affected(text[label.end() :], channels)).names:
        return rest  # what comes after "Valves:" says which
    return Mentions(names, list(dict.fromkeys(ambiguous)))


def mentioned(text: str, channels: Sequence[Channel]) -> Mentions:
    """Return the channels that a text names, in the order of the text, and the words that fit several of them.

    Channels that differ in a number only, such as redundant sensors, are named together.
    """
    text = _COMPOUND.sub(lambda match: COMPOUND[match[0].lower()].ljust(len(match[0])), text)
    found: dict[str, int] = {}
    for channel in sorted(channels, key=lambda each: -len(each.name)):
        if channel.pattern is not None and (match := channel.pattern.search(text)):
            found[channel.name] = match.start()
            text = text[: match.start()] + "\x00" * len(match[0]) + text[match.end() :]
    tokens = [(match.start(), match[0].lower()) for match in _TOKEN.finditer(text)]
    unsure: dict[tuple[str, ...], str] = {}
    for i, (start, token) in enumerate(tokens):
        concept = _concept(token)
        fits = [channel for channel in channels if concept in channel.heads]
        if not fits or (token in _STATE and not _BECOMES & {word for _, word in tokens[max(0, i - 2) : i]}):
            continue
        before, after = _around([each for _, each in tokens], i)
        fits = _best(fits, before, after, channels)
        plural = token.endswith("s") and not token.endswith("ss")
        alike = len({frozenset(word for word in channel.of if not word.isdigit()) for channel in fits}) == 1
        if fits and (alike or plural or _SEVERAL & set(before)):
            for channel in fits:
                found.setdefault(channel.name, start)
        elif fits and concept in QUANTITIES:
            unsure[tuple(channel.name for channel in fits)] = token
    ambiguous = [f"{token} ({_either(names)})" for names, token in unsure.items() if not set(names) & set(found)]
    return Mentions(sorted(found, key=lambda name: found[name]), ambiguous)


def measured_in(text: str, channels: Sequence[Channel]) -> list[str]:
    """Return the only channel in whose unit a text gives a number, if there is one."""
    found = [
        channel.name
        for channel in channels
        if channel.unit is not None
        and channel.kind not in (None, "time", "share")
        and re.search(rf"\d\s*°?{re.escape(channel.unit)}(?![\w/²³^-])", text)
    ]
    return found if len(found) == 1 else []


def _best(fits: list[Channel], before: list[str], after: list[str], channels: Sequence[Channel]) -> list[Channel]:
    """Channels of a quantity that fit best what the text says it is of."""
    said = {_concept(word) for word in (*before, *after)}
    close = {_concept(word) for word in before[-1:]}
    things = THING | {word for channel in channels for word in channel.of}
    # a pump is no bearing, but the only motor may be that of the pump
    if len(fits) != 1 or not (close & DRIVES and fits[0].of & DRIVEN and fits[0].heads & OF_DRIVES):
        fits = [c for c in fits if not (close & things) or close & (c.of | c.heads) or not c.of]
    scores = {channel.name: len(said & (channel.of | channel.heads)) for channel in fits}
    best = max(scores.values(), default=0)
    top = [channel for channel in fits if scores[channel.name] == best]
    bare = [channel for channel in top if not channel.of]
    return bare if len(top) > 1 and len(bare) == 1 and not said & things else top


def _around(tokens: list[str], i: int) -> tuple[list[str], list[str]]:
    """Words before and after a quantity that may say of what it is."""
    before: list[str] = []
    for token in reversed(tokens[max(0, i - BEFORE) : i]):
        if token in _STOP or token in QUANTITY:
            break
        before.insert(0, token)
    after: list[str] = []
    following = tokens[i + 1 : i + 1 + AFTER]
    if following and (following[0] in ("of", "at", "in", "on") or following[0].isdigit()):
        for token in following:
            if token in _STOP or (token in QUANTITY and after):
                break
            after.append(token)
    return before, after


def _either(names: Sequence[str]) -> str:
    """The first names of several."""
    return " or ".join([*names[:MOST_LISTED], *(["..."] if len(names) > MOST_LISTED else [])])


def _parts(clause: str, channels: Sequence[Channel]) -> list[str]:
    """Parts of a clause; items of a list of channels stay with the part that ends the list."""
    whole = [
        match.span()
        for channel in channels
        if channel.pattern is not None and _PART.search(channel.name)
        for match in channel.pattern.finditer(clause)
    ]
    parts: list[str] = []
    held, position = "", 0
    for border in [*_PART.finditer(clause), None]:
        if border is not None and any(begin <= border.start() < end for begin, end in whole):
            continue
        part = clause[position : border.start() if border else len(clause)]
        position = border.end() if border else position
        if border is not None and _only_mentions(part, channels):
            held += part + ", "
        else:
            parts.append(held + part)
            held = ""
    return parts


def _only_mentions(part: str, channels: Sequence[Channel]) -> bool:
    """Whether a part consists of names and words of channels."""
    for channel in channels:
        if channel.pattern is not None:
            part = channel.pattern.sub(" ", part)
    words = {_concept(token.lower()) for token in _TOKEN.findall(part)}
    known = {word for channel in channels for word in channel.heads | channel.of}
    return not words - known - _STOP - _LINK - _SEVERAL - {"total", "mean", "new"}


def _from_name(name: str) -> Channel:
    base, unit = _base(name), _unit(name)
    tokens = [token.lower() for token in _NAME_TOKEN.findall(base.replace("pH", "ph"))]
    while len(tokens) > 1 and (tokens[-1] in UNITS or (tokens[-1].isdigit() and tokens[-2] in UNITS)):
        tokens.pop()
    words = [
        QUANTITY.get(token) or ABBREVIATION.get(token) or ABBREVIATION.get(_singular(token)) or _singular(token)
        for token in tokens
    ]
    if tokens and tokens[0] in LETTER and (len(tokens) > 1 or unit):
        words[0] = LETTER[tokens[0]]
    elif len(tokens) > 1 and tokens[1].isdigit() and _TAG.fullmatch(tokens[0]):
        words[0] = TAG_LETTER[tokens[0][0]]
    heads = {word for word in words if word in QUANTITIES}
    heads |= {token for token, word in zip(tokens, words, strict=True) if word in heads and len(token) > 2}
    said = [word for word in words if word not in GENERIC and not word.isdigit() and len(word) > 1]
    named = bool(heads)
    if (
        unit
        and not heads
        and (quantity := OF_WORD.get(unit.lower()) or MEASURED.get(kind := dimension(unit) or "", kind))
    ):
        heads = {quantity} & QUANTITIES
    if said and (not heads or (not named and said[-1] not in THING)):
        heads = heads | {said[-1]}
    of = {word for word in (*said, *(word for word in words if word.isdigit())) if word not in heads}
    return Channel(name, frozenset(heads), frozenset(of), unit)


def _with_description(channel: Channel, what: str) -> Channel:
    phrase = _PHRASE_END.split(what.strip(), maxsplit=1)[0]
    words = [_concept(token.lower()) for token in _TOKEN.findall(phrase)]
    words = [word for word in words if word not in GENERIC and word not in _STOP and len(word) > 1]
    heads = {word for word in words if word in QUANTITIES} or set([word for word in words if word[-2:] != "ed"][-1:])
    rest = re.split(r"[.;,(\[]", what, maxsplit=1)[0]
    of = {_concept(token.lower()) for token in _TOKEN.findall(rest) if len(token) > 1} - GENERIC - _STOP - _LINK - heads
    unit = channel.unit
    for match in _UNIT.finditer(what):
        if unit is None and dimension(match["unit"]) is not None:
            unit = match["unit"]
    return replace(channel, heads=channel.heads | heads, of=channel.of | of - channel.heads, unit=unit)


@lru_cache(maxsize=4096)
def _concept(token: str) -> str:
    """The quantity that a word of a text stands for, or its singular."""
    return QUANTITY.get(token) or QUANTITY.get(_singular(token)) or _singular(token)


def _singular(token: str) -> str:
    if len(token) > 3 and token.endswith("ies"):
        return token[:-3] + "y"
    return token[:-1] if len(token) > 3 and token.endswith("s") and not token.endswith(("ss", "us", "is")) else token


def _base(name: str) -> str:
    """The name without its unit."""
    if without_unit(name) is not None:
        for pattern in (BRACKETED, SUFFIXED):
            if (match := pattern.match(name.strip())) and dimension(match["unit"].replace("_", "/")):
                return match["name"]
    return name


def _unit(name: str) -> str | None:
    """The unit that a name ends with."""
    base = _base(name)
    if base == name:
        return None
    match = BRACKETED.match(name.strip()) or SUFFIXED.match(name.strip())
    assert match is not None
    return match["unit"].replace("_", "/") if SUFFIXED.match(name.strip()) else match["unit"]
