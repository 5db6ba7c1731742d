"""When something happens: at which hours and days of the week, after what, at which load."""

from __future__ import annotations

import re

from ape.agents.understanding.quantities import NUMBER_WORDS, OF_CALENDAR, any_of, number
from ape.rules.schema import Range, Tercile
from ape.series.units import OF_UNIT

AROUND, ABOUT = 0.5, 1.0  # hours to both sides of a time of day, and of one with "about"
# times of day in words, the more exact ones first; hours above 24 are of the next day
PARTS_OF_DAY: dict[str, tuple[float, float]] = {
    r"(?:in the )?(?:small|early|wee) hours|before (?:dawn|sunrise)": (24, 30),
    r"early (?:in the )?morning|at (?:dawn|sunrise)|(?:at|around|after) daybreak": (4, 8),
    r"(?:in|during) the (?:late )?morning|every morning|(?:on|for) (?:\w+ )?mornings?": (6, 12),
    r"(?:at|around|towards|about) (?:noon|midday|lunch ?time)|over lunch|at lunch": (11, 14),
    r"(?:in|during) the (?:late )?afternoon|every afternoon|afternoons": (12, 18),
    r"(?:at|around) (?:dusk|sunset)": (17, 21),
    r"(?:in|during|until) the (?:late )?evenings?|every evening|evenings|late in the day": (17, 23),
    r"(?:at|around|after|about) midnight": (23, 25),
    r"(?:during|on|in) (?:the )?night ?shifts?": (22, 30),
    r"(?:during|on|in) (?:the )?(?:early|morning|first) shifts?": (6, 14),
    r"(?:during|on|in) (?:the )?(?:late|second|evening) shifts?": (14, 22),
    r"(?:outside|out of|after|beyond|off) (?:of )?(?:office|working|business|opening) hours|after hours": (18, 31),
    r"(?:office|working|business|opening) hours|during the working day|(?:9|nine)[- ]to[- ](?:5|five)": (8, 18),
    r"(?:at|by|during the|in the|every|all|one|last) nights?|nightly|overnight|nights|night[- ]?time": (21, 30),
    r"after dark|in the dark": (21, 30),
    r"by day|(?:in|during) (?:the )?day ?(?:light|time)|daytime|in (?:bright |full )?sun(?:shine|light)?": (7, 19),
}
WEEKDAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PARTS = [(re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE), hours) for words, hours in PARTS_OF_DAY.items()]
_HOUR_WORDS = any_of(word for word, value in NUMBER_WORDS.items() if value in range(1, 13) and word not in ("a", "an"))
_CLOCK = (
    rf"(?:(?P<h#>[01]?\d|2[0-4])(?:[:.h](?P<m#>[0-5]\d))?|(?P<w#>{_HOUR_WORDS}))"
    r"\s*(?P<s#>a\.?m\b\.?|p\.?m\b\.?|o'?clock|hrs\b|hours?\b|h\b)?"
)
_FIRST, _SECOND = _CLOCK.replace("#", "1"), _CLOCK.replace("#", "2")
_SPAN = rf"{_FIRST}\s*(?:to|and|until|till|-|–)\s*{_SECOND}"
_NAMED_DAY = (
    r"(?:daily|nightly|(?:every|each|any|all|most) (?:\w+ )?(?:day|night|morning|afternoon|evening)s?"
    rf"|(?:{'|'.join(WEEKDAY_NAMES)})s?|(?:week|work)-? ?days?|week-? ?ends?)"
)
# "from 9 to 11", "Mondays 9 to 11", "6-8 pm"
_BETWEEN = re.compile(
    rf"(?:(?P<day>\b{_NAMED_DAY}),? )?(?:\b(?P<word>between|from) |(?<![\w:.,/-])){_SPAN}(?![\d:%]|[.,]\d)",
    re.IGNORECASE,
)
_A_DAY = re.compile(rf"\b{_NAMED_DAY}\b", re.IGNORECASE)
_VALUES = re.compile(  # what stands before numbers that are no times of day
    r"\b(?:is|are|be|was|were|lies?|stays?|remains?|rang\w+|jump\w*|var(?:y|ies)|swing\w*|mov\w+|goes|going|go|chang\w+"
    r"|switch\w*|alternat\w+|oscillat\w+|cycl\w+|rise|rises|rising|falls?|falling|drop\w*|sinks?|climb\w*|grow\w*|values?"
    r"|levels?|steps?|limits?|of|by|for) $",
    re.IGNORECASE,
)
_GOES_ON = re.compile(  # what follows times of day
    r"\s*(?:$|[.,;:)]|(?:it|its|the|a|an|we|they|this|that|there|our|is|are|was|were|and|but|every|each|on|in|at|daily|because"
    r"|when|while|all|no|only|everything|nothing|nobody|somebody)\b)",
    re.IGNORECASE,
)
_AT = re.compile(
    r"\b(?P<how>at|around|about|towards|near|after|before|since|from)\s+(?P<about>about |around |roughly )?"
    rf"{_FIRST}(?![\w%°/.,:-]*\d|[%°/]|\s*(?:to|-|–)\s*\d)",
    re.IGNORECASE,
)
_BARE_CLOCK = re.compile(
    rf"(?<![\w:.-])(?:(?P<h1>[01]?\d|2[0-3]):(?P<m1>[0-5]\d)(?![\d:])|{_CLOCK.replace('#', '2')}(?<=[mk.]))",
    re.IGNORECASE,
)
# "half past two", "at 0230 hours" and "to noon", which are read as 2:30 and 12:00
_PAST = re.compile(
    rf"\b(?P<part>half|(?:a )?quarter|(?:five|ten|twenty|\d\d?) minutes?) (?P<side>past|to)"
    rf" (?P<hour>1[0-2]|\d|{_HOUR_WORDS})\b(?! ?[%°/]| \w+s\b)",
    re.IGNORECASE,
)
_FOUR_DIGITS = re.compile(r"\b(?:(?<=at )|(?<=from )|(?<=by )|(?=0))([01]\d|2[0-4])([0-5]\d) ?(?:h|hrs|hours)\b")
_NOON = re.compile(r"\b(to|until|till|and|-|–) ?(noon|midday|midnight)\b", re.IGNORECASE)
_PART_OF_DAY = re.compile(r"(?:in the )?(?P<pm>afternoon|evening)\b|(?:in the )?morning\b|at night\b", re.IGNORECASE)
_NOT_THEN = re.compile(
    r"\b(?:not|never|except|even|also|as|and|right|than|unlike|no matter|regardless of|last|by) (?:\w+ )?$"
    r"|\bday (?:and|or) $",
    re.IGNORECASE,
)
_UNAFFECTED = re.compile(r" (?:is|are|stays?|remains?) (?:right|fine|normal|ok|quiet|unaffected|good)\b", re.IGNORECASE)
_DAY = rf"(?:{'|'.join(WEEKDAY_NAMES)})"
_SHORT_DAY = r"(?:Mon|Tues?|Wed|Thu|Thurs?|Fri|Sat|Sun|MON|TUE|WED|THU|FRI|SAT|SUN)"
_DAY_SPAN = re.compile(
    rf"\b(?P<a>{_DAY}|{_SHORT_DAY}\.?)s?\s*(?:to|through|till|until|-|–)\s*(?P<b>{_DAY}|{_SHORT_DAY})", re.IGNORECASE
)
_DAY_NAME = re.compile(
    rf"\b(?P<day>{_DAY})s?\b|\b(?P<short>{_SHORT_DAY})\b(?=[,/ ]+(?:and )?{_SHORT_DAY}\b)", re.IGNORECASE
)
_LIKE_DAY = re.compile(r"\b(?:like|as|of|resembles?|similar to|than)(?: on)?(?: an?| the)?(?: \w+)? $", re.IGNORECASE)
_LOOKS_LIKE_DAY = re.compile(
    r"\b(?:like|as|resembles?|similar to|follows?)(?: on)?(?: an?| the| any)?(?: \w+)? $", re.IGNORECASE
)
_EXCEPT = re.compile(r"\b(?:except|not|never|but not|apart from|other than|excluding)(?: \w+){0,3} $", re.IGNORECASE)
_WORKDAYS = re.compile(
    r"\b(?:week ?days?|work(?:ing)? ?days?|on business days|during the (?:working )?week)\b", re.IGNORECASE
)
_WEEKEND = re.compile(r"\bweek-? ?ends?\b", re.IGNORECASE)
_OFFICE = re.compile(r"\b(?:office|working|business) hours\b", re.IGNORECASE)
_OUTSIDE = re.compile(r"\b(?:outside|out of|after|off)(?: of)? \w+[ -]hours\b", re.IGNORECASE)
_CHANGE = (
    r"(?:deploy\w*|releas\w+|roll-?outs?|re-?starts?|restart\w*|re-?boot\w*|start(?:s|ed|ing)?(?:[- ]?ups?)?|switch\w*"
    r"|change-?overs?|changes?|steps?|shut-?downs?|maintenance|updates?|upgrades?|opening|closing|fail-?overs?|ignition"
    r"|power[- ]?ups?|power(?:ed|ing)? on|resets?|(?:re-?)?calibrations?|cleaning|replacements?|exchange"
    r"|turn(?:ed|ing)?"
    r" (?:on|off)|reclosing|refill\w*|service|repairs?|migration|commissioning|(?:de)?frost(?:ing)?|standstill|outage"
    r"|stop|(?:comes?|coming|came|kicks?|cuts?) (?:on|in))"
)
_AFTER_CHANGE = re.compile(
    r"\b(?:after|following|upon|since|once) (?:(?:a|an|the|each|every|any|its|some) )?(?:[\w-]+ ){0,3}?"
    rf"{_CHANGE}\b"
    r"|\b(?:at|on|during|while|when|by) (?:(?:a|an|the|each|every|any|it|is) )*(?:\w+ )?(?:start-?up|starting(?: up)?"
    r"|restart(?:ing)?|warm-?up|switch(?:ing|-?over|ed on|-?on)|change-?over|power-?up|boot(?:ing)?"
    r"|cold start|load change)\b"
    r"|\bstarts? with (?:a|an|the|each|every) (?:\w+ )?(?:release|deploy\w*|update|restart|change|switch\w*)\b"
    r"|\bfirst (?:[\w-]+ ){0,3}?(?:minutes?|hours?|seconds?|samples?|scans?|days?) (?:after|following|of)\b"
    rf"(?! {OF_CALENDAR})"
    r"|\bwhen (?:the )?\w+(?: \w+)? (?:starts?|restarts?|is switched|switch(?:es)?)\b",
    re.IGNORECASE,
)
_THING = (
    r"(?:\w+ )?(?:loads?|demand|traffic|power|throughput|speed|flow|pressure|output|utili[sz]ation|duty|rate|production"
    r"|torque|current|temperatures?|levels?|stress|wind|volume|usage)"
)
_LEVELS: dict[Tercile, re.Pattern[str]] = {
    "high": re.compile(
        r"\b(?:at|under|with|during|in|on) (?:very |rather )?(?:high|full|heavy|peak|maximum|max|great|large|rated)"
        rf" {_THING}|\bunder load\b|\bwhen (?:the )?{_THING} (?:is|are|gets?|becomes?) (?:\w+ )?(?:high|large"
        rf"|heavy|great)"
        r"|\b(?:at|during|in) (?:the )?(?:rush|busy|peak)(?: hours?| times?| periods?)?\b|\bheavily loaded\b"
        r"|\bwhen (?:it is |very |they are )?busy\b|\bat the peaks?\b|\bfull discharge\b|\bfar open\b"
        r"|\bat full (?:speed|throttle|power|load)\b|\bwhen (?:hot|full)\b",
        re.IGNORECASE,
    ),
    "low": re.compile(
        r"\b(?:at|under|with|during|in) (?:very |rather )?(?:low|light|small|no|partial|minimum|zero|part)"
        rf" {_THING}|\bwhen (?:the )?{_THING} (?:is|are|gets?|becomes?) (?:\w+ )?(?:low|small|light)"
        r"|\b(?:at|during|in|when) (?:\w+ )?(?:idle|rest|standstill|standby|idling)\b"
        r"|\boff-?peak\b"
        r"|\bwhen (?:nearly |almost )?(?:empty|cold)\b|\bwhen (?:it|the \w+) (?:is|stands) (?:idle|idling"
        r"|still|stopped)\b",
        re.IGNORECASE,
    ),
}


def hours(text: str) -> Range | None:
    """Return the hours of the day that a text names; [22, 30] is from 22 to 6 o'clock. None if it names none."""
    text = _in_digits(text)
    for match in _BETWEEN.finditer(text):
        if _are_clocks(match, text):
            low, high = _between(match, text)
            return Range(low=low, high=high if high > low else high + 24)
    clock = next((match for match in _AT.finditer(text) if _is_clock(match, text)), None) or _BARE_CLOCK.search(text)
    if clock is not None:
        hour = _hour(clock, "1" if clock["h1"] or clock.groupdict().get("w1") else "2", text)
        how = (clock.groupdict().get("how") or "at").lower()
        spans = {"after": (0.0, 3.0), "since": (0.0, 3.0), "from": (0.0, 3.0), "before": (-3.0, 0.0)}
        spans |= dict.fromkeys(("around", "about", "towards", "near"), (-ABOUT, ABOUT))
        how = "about" if how == "at" and clock.groupdict().get("about") else how
        before, after = spans.get(how, (-AROUND, AROUND))
        low = hour + before
        return Range(low=low % 24, high=low % 24 + after - before)
    named = [
        (match.start(), span)
        for pattern, span in _PARTS
        for match in pattern.finditer(text)
        if not _NOT_THEN.search(text[: match.start()]) and not _UNAFFECTED.match(text[match.end() :])
    ]
    if not named:
        return None
    low, high = min(named, key=lambda each: each[0])[1]
    return Range(low=low, high=high)


def weekdays(text: str) -> list[int]:
    """Return the days of the week that a text names, 0 is Monday; empty if it names none, or all."""
    days: set[int] = set()
    excluded: set[int] = set()
    for match in _DAY_SPAN.finditer(text):
        first, last = _day(match["a"]), _day(match["b"])
        days.update((first + k) % 7 for k in range((last - first) % 7 + 1))
    for start, these in _named_days(text):
        before = text[:start]
        if _EXCEPT.search(before):
            excluded |= these
        elif not _LIKE_DAY.search(before):
            days |= these
    if not days and not excluded and _OFFICE.search(text) and not _OUTSIDE.search(text):
        days = set(range(5))
    days = (days or set(range(7) if excluded else ())) - excluded
    return sorted(days) if len(days) < 7 else []


def like_weekdays(text: str) -> list[int]:
    """Return the days of the week that other days look like, as in "holidays run like weekends"; 0 is Monday."""
    named = [these for start, these in _named_days(text) if _LOOKS_LIKE_DAY.search(text[:start])]
    return sorted(set[int]().union(*named))


def after_change(text: str) -> bool:
    """Return whether a text says that something happens after a start, a switch or another change."""
    return _AFTER_CHANGE.search(text) is not None


def level(text: str) -> list[Tercile]:
    """Return at which load or level something happens."""
    return [tercile for tercile, pattern in _LEVELS.items() if pattern.search(text)]


def _named_days(text: str) -> list[tuple[int, set[int]]]:
    """Where a text names days of the week, and which."""
    named = [(match.start(), {_day(match["day"] or match["short"])}) for match in _DAY_NAME.finditer(text)]
    named += [(match.start(), set(range(5))) for match in _WORKDAYS.finditer(text)]
    return named + [(match.start(), {5, 6}) for match in _WEEKEND.finditer(text)]


def _is_clock(match: re.Match[str], text: str) -> bool:
    """Whether a number after "at" or a similar word is a time of day."""
    if match["m1"] or match["s1"]:
        return True
    if match["how"].lower() != "at":
        return False
    after = text[match.end() :].lstrip()
    if match["h1"]:
        return _PART_OF_DAY.match(after) is not None
    return re.match(r"$|[.,;:)]|(?:on|in the|at night|every|each|is|and|it|the)\b", after, re.IGNORECASE) is not None


def _in_digits(text: str) -> str:
    """The text with times of day in words and in four digits written as 14:30."""
    text = _FOUR_DIGITS.sub(r"\1:\2", text)
    text = _NOON.sub(lambda match: f"{match[1]} {'24:00' if match[2].lower() == 'midnight' else '12:00'}", text)
    return _PAST.sub(_past, text)


def _past(match: re.Match[str]) -> str:
    part = match["part"].lower().removeprefix("a ")
    minutes = {"half": 30.0, "quarter": 15.0}.get(part) or number(part.split()[0])
    time = 60 * number(match["hour"]) + (minutes if match["side"].lower() == "past" else -minutes)
    return f"{int(time // 60) % 24}:{int(time % 60):02d}"


def _are_clocks(match: re.Match[str], text: str) -> bool:
    """Whether two numbers are times of day: they are written so, or stand where times of day stand."""
    before, after = text[: match.start()], text[match.end() :]
    halves = [(match[name] or "").lower() for name in ("s1", "s2")]
    if match["m1"] or match["m2"] or any(half[:1] in ("a", "p", "o") for half in halves if half):
        return True
    if _PART_OF_DAY.match(after.lstrip()):
        return bool(match["word"] or match["day"])
    word = re.match(r"\s*([^\s.,;:)]*)", after)
    if word is not None and (
        word[1].lower() in OF_UNIT or word[1].lower() == "times" or (any(halves) and not match["day"])
    ):
        return False
    if match["day"]:
        return True
    alone = not before.strip() or before.rstrip()[-1] in ".,;:("
    return bool(match["word"] and _GOES_ON.match(after) and not _VALUES.search(before)) and (
        alone or _A_DAY.search(text) is not None
    )


def _between(match: re.Match[str], text: str) -> tuple[float, float]:
    high = _hour(match, "2", text)
    half = (match["s2"] or "").lower().replace(".", "")
    low = _hour(match, "1", text)
    if half == "pm" and not match["s1"] and low < 12 and low + 12 < high:
        low += 12
    return low, high


def _hour(match: re.Match[str], which: str, text: str) -> float:
    groups = match.groupdict()
    hour = number(groups.get(f"w{which}") or groups[f"h{which}"]) + float(groups.get(f"m{which}") or 0) / 60
    half = (groups.get(f"s{which}") or "").lower().replace(".", "")
    part = _PART_OF_DAY.match(text[match.end() :].lstrip())
    if half == "pm" or (part is not None and part["pm"] and half != "am"):
        hour = hour + 12 if hour < 12 else hour
    elif half == "am" and hour >= 12:
        hour -= 12
    return hour % 24


def _day(name: str) -> int:
    return next(k for k, day in enumerate(WEEKDAY_NAMES) if day.startswith(name.lower()[:3]))
