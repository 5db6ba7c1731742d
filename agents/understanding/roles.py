"""What each sentence is for: a failure, something normal that must not alarm, a description, or another machine.

The form of a text says much that the words of one sentence do not: headings, descriptions of channels, the sampling,
"that is normal" after a sentence, another machine's number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ape.agents.understanding.channels import Channel, description
from ape.agents.understanding.direction import moves
from ape.agents.understanding.language import ENGLISH
from ape.agents.understanding.meaning import Meaning, Role
from ape.agents.understanding.sentences import Sentence
from ape.agents.understanding.subjects import other_machine, own_tags

SECTION_WEIGHT = 3.0  # of what a section's heading announces
DESCRIBES = "describes"
LEAST_BENIGN = 0.6  # probability without a cue, since what is benign never alarms
LEAST_POSSIBLE = 0.4  # clarity of a failure before any heading, in a sentence that says that it may happen
LEAST_FAILURE = 0.05  # clarity of a failure that does not say how the values move
CLEAR_NEW = 0.8  # clarity, from which a sentence that could continue the one before names a failure of its own
LEAST_CLARITY = {"text": 0.7, "log": 0.3}  # of a failure before the heading of failures, and in a line of a log
CERTAIN = 0.9  # clarity of a failure in a text that could be a title, and in a single word of a log
CLEAR = 0.8  # probability of a failure in a sentence that looks like a description
# headings that announce failures, or what is normal
_OF_FAILURES = re.compile(
    r"\b(?:fail\w*|faults?|problems?|issues?|troubles?|incidents?|symptoms?|wrong|alarms?|anomal\w+|break\w*|defects?"
    r"|fmea)\b",
    re.IGNORECASE,
)
_OF_QUIET = re.compile(
    r"\b(?:planned|expected|benign|harmless|exceptions?|no alerts?|ignore|fine|not an? (?:problem|fault|failure"
    r"|issue|error)"
    r"|no (?:problem|fault|failure)s?|(?:do(?: not|n'?t)|not to) (?:alert|flag|report))\b",
    re.IGNORECASE,
)
_OF_NORMAL = re.compile(r"\b(?:normal|routine|regular)\b", re.IGNORECASE)
_OF_CHANNELS = re.compile(
    r"\b(?:channels?|signals?|sensors?|tags?|columns?|measure\w*|instrument\w*|data)\b", re.IGNORECASE
)
_MAY = re.compile(r"\b(?:may|might|could|sometimes|occasionally|at times|now and then)\b", re.I)
_SAMPLING = re.compile(
    r"\b(?:sampled|samples? (?:rate|every|per|an?)|sampling|averages? (?:over|of)|resolution of"
    r"|(?:recorded|logged|averaged|counted|polled|scraped|measured) (?:every|once|twice|at|over|per|each|\d+)"
    r"|one (?:sample|value|reading) (?:a|every|each|per)"
    r"|\d+[- ](?:minute|second|hour) (?:averages|means))\b"
    r"|\b(?:log|measure|record|sample|collect|read|store)s?\b.*\b(?:once|every|each|times) (?:a|an|per|each|every"
    r"|\d+)?\s*"
    r"(?:\d+ )?(?:milli)?(?:seconds?|minutes?|hours?|s|ms|min|h)\b|\bat \d+ ?k?Hz\b",
    re.IGNORECASE,
)
# what must not alarm
_QUIET = re.compile(
    r"\b(?:do(?:es)? not|don'?t|never|no need to|should not|must not|shouldn't|mustn't|please don'?t|without)"
    r" (?:\w+ ){0,2}(?:alert|alarm|page|flag|report|warn|notify|worry|trigger|be (?:alerted|flagged|reported"
    r"|alarmed))\w*\b"
    r"|\b(?:can|may|should|must|to) be (?:safely )?(?:ignored|disregarded|left alone)\b|\bplease ignore\b|^ignore\b"
    r"|\b(?:is|are|was|were|all|as)\s+(?:\w+ly |quite |all |also )?(?:normal|expected|harmless|intended|wanted"
    r"|fine|ok|okay)\b"
    r"|\b(?:is|are|was|were|and|but|means?)\s+(?:not an?|no|never an?)\s+(?:\w+ )?(?:fault|failure|error|anomal\w+"
    r"|problem|defect|malfunction|incident|cause for concern|reason to)\w*|\bby design\b|\bno (?:fault|failure"
    r"|anomaly)\s*\.?$"
    r"|\b(?:is|are) (?:just |only |merely )?(?:the )?(?:weather|seasonal|routine|business as usual)\b"
    r"|\bfalse alarms?\b"
    r"|\bthat'?s (?:fine|ok|okay|normal|expected)\b|[-–—,(] ?(?:all )?(?:as )?(?:expected|normal|harmless)\W*$"
    r"|\bignore (?:this|that|it|them|these)\b|\bnothing (?:to worry|is wrong|wrong)\b",
    re.IGNORECASE,
)
# what never happened
_DENIED = re.compile(
    r"^(?:never|not yet) (?:yet )?(?:seen|observed|happened|occurred|reported)|\b(?:has|have|had|was"
    r"|were) never\b|\bruled out\b"
    r"|\b(?:there|we) (?:is|are|was|were|have|had) (?:never )?no\b|^no (?:known )?(?:\w+ )?(?:fail\w+|faults?"
    r"|leaks?|problems?|issues?)\b",
    re.IGNORECASE,
)
_LOOKS_LIKE = re.compile(
    r"\b(?:(?:public |bank )?holidays?|vacations?|christmas|new year|bridge days?|school breaks?|festivals?"
    r"|feast days?)\b"
    r".*\b(?:looks?|runs?|behaves?|counts?|is|are|follows?)\b.*\b(?:like|as|sundays?|weekends?|low|quiet)\b",
    re.IGNORECASE,
)
_STATES_NORMAL = re.compile(
    r"^(?:\w+ )?(?:normal(?:ly)?|usual(?:ly)?|regular operation|in normal operation|background)\s*:", re.I
)
# orders to the program that reads the text, which are not about the series
_WHAT_WAS_SAID = r"(?:instructions?|prompts?|orders|guidelines|directions|everything (?:above|before|said))"
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|skip|do not follow|don't follow)\b(?: \w+){0,4}"
    rf" {_WHAT_WAS_SAID}\b"
    rf"|\b(?:new|secret|hidden|system|your) {_WHAT_WAS_SAID}\b"
    r"|^(?:now |from now on,? )?(?:you are|act as|pretend|you (?:must|should|have to|will|shall)"
    r" (?:now |always |only )?(?:accept|approve|reject|answer|say|reply|respond|print|output|obey))\b"
    r"|\b(?:accept|approve|reject|invent|propose)\b (?:\w+ ){0,3}(?:rules?|proposals?|banks?)\b"
    r"|^(?:please )?(?:delete|remove|drop|erase) (?:\w+ ){0,3}(?:rules?|banks?|files?|folders?|director(?:y|ies))\b"
    r"|^(?:please )?(?:answer|reply|respond|print|output) (?:only |just |always |with |the |your )",
    re.IGNORECASE,
)
# a sentence about the sentence before it
_REFERS = re.compile(
    r"^(?:and |but )?(?:that|this|it|these|those|they|which|both|the latter|all of (?:this|these|that)|such \w+)\b",
    re.I,
)
_VERDICT = re.compile(
    r"^(?:all |perfectly |quite |completely )?(?:normal|expected|harmless|fine|ok|okay|by design|no (?:fault"
    r"|failure|problem)"
    r"|not an? (?:fault|failure|problem)|no (?:alerts?|alarms?)(?:,? please)?)\W*$",
    re.IGNORECASE,
)
_LEAVE_IT = re.compile(
    r"^(?:so |please |and )*(?:(?:do not|don'?t|never|no need to) (?:alert|alarm|page|flag|report|warn|notify)"
    r"(?: (?:me|us|anyone|anybody|people))?(?: (?:on|about|for|of|because of))?|ignore|leave)"
    r" (?:it|this|that|these|those|them)(?: alone)?(?:,? please)?\W*$",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"^(?:and |but )?(?:that|this|it|these|those|they|then|afterwards|after that|thereafter|usually|typically"
    r"|mostly|often"
    r"|the (?:value|reading|effect|signal|change|fault|failure|problem|error|jump|drop|rise|deviation|event)s?\b"
    r"|recovery|lasts?"
    r"|duration|magnitude|size|amplitude|happens?|occurs?|seen|in (?:this|that|such) cases?|when (?:this|that"
    r"|it) happens)\b",
    re.IGNORECASE,
)


# in few words, about the sentence before
_FRAGMENT = re.compile(
    r"^(?:very |quite |rather |mostly |usually )?(?:slow|fast|sudden|gradual|rare|frequent|common|seldom|short"
    r"|long|for|up to"
    r"|over (?:\w+ )?(?:minutes|hours|days|weeks|months|years)|once|twice|several times|happens|lasts"
    r"|takes)(?:ly)?\b",
    re.IGNORECASE,
)
LONGEST_FRAGMENT = 5  # words
LONGEST_TITLE = 3  # words


@dataclass(frozen=True)
class Statement:
    """A sentence and what it is for.

    Parameters
    ----------
    sentence : Sentence
    meaning : Meaning
    role : str
    reason : str
        In a few words, for those that name nothing.
    continues : bool
        Whether it says more about the sentence before it.
    label : str
        Heading that it stands under, if this names something.
    """

    sentence: Sentence
    meaning: Meaning
    role: Role
    reason: str = ""
    continues: bool = False
    label: str = ""


def statements(
    sentences: Sequence[Sentence], meanings: Sequence[Meaning], channels: Sequence[Channel], source: str
) -> list[Statement]:
    """Return what each sentence of a text or log is for, given what its words mean."""
    found: list[Statement] = []
    section, label = "", ""
    own = own_tags([channel.name for channel in channels] + [each.text for each in sentences[:1]])
    start = next((k for k, each in enumerate(sentences) if each.heading and _OF_FAILURES.search(each.text)), 0)
    for k, (sentence, meaning) in enumerate(zip(sentences, meanings, strict=True)):
        before = found[-1] if found else None
        named = before is not None and before.role in ("failure", "benign")
        told = named or (before is not None and not before.sentence.heading and moves(before.sentence.text))
        if before is not None and told and _is_verdict(sentence, before.sentence):
            found[-1] = replace(before, role="benign")
            found.append(Statement(sentence, meaning, "normal", "about the sentence before it"))
            continue
        if sentence.heading:
            section, label = _section(sentence.text, meaning, section)
            found.append(Statement(sentence, meaning, "normal", "heading"))
            continue
        preface = source == "text" and k < max(start, 1)
        role, reason = _role(
            sentence,
            meaning,
            channels,
            section,
            own,
            before.reason if before else "",
            source=source,
            preface=preface,
        )
        weak = role in ("normal", "not understood") or (role == "failure" and clarity(meaning) < CLEAR_NEW)
        continues = named and (_is_fragment(sentence.text) or (weak and _CONTINUES.match(sentence.text) is not None))
        found.append(Statement(sentence, meaning, role, reason, continues, label))
    return found


def _is_verdict(sentence: Sentence, before: Sentence) -> bool:
    """Whether a sentence says that what the one before tells is normal."""
    alone = sentence.line == before.line and _VERDICT.match(sentence.text) is not None
    refers = _REFERS.match(sentence.text) is not None and _QUIET.search(sentence.text) is not None
    return alone or refers or _LEAVE_IT.match(sentence.text) is not None


def _is_fragment(text: str) -> bool:
    return len(text.split()) <= LONGEST_FRAGMENT and _FRAGMENT.match(text) is not None


def clarity(meaning: Meaning) -> float:
    """Return how clearly a sentence names a failure of a certain mechanism: the probability of both."""
    return meaning.roles["failure"] * max(meaning.mechanisms.values(), default=0.0)


def _section(text: str, meaning: Meaning, section: str) -> tuple[str, str]:
    """What a heading announces, and the heading itself if it names something."""
    if _OF_QUIET.search(text):
        return "benign", ""
    if _OF_NORMAL.search(text):
        return "normal", ""
    if _OF_FAILURES.search(text):
        return "failure", ""
    if _OF_CHANNELS.search(text):
        return "normal", ""
    named = meaning.mechanisms and meaning.roles["failure"] >= max(meaning.roles.values())
    return section, text.rstrip(":") if named or section == "failure" else ""


def _role(
    sentence: Sentence,
    meaning: Meaning,
    channels: Sequence[Channel],
    section: str,
    own: dict[str, set[str]],
    before: str,
    *,
    source: str,
    preface: bool,
) -> tuple[Role, str]:
    """The role of a sentence, and the reason.

    ``before`` is the reason of the sentence before it, ``preface`` whether it is the first one or stands before the
    heading of failures.
    """
    text, failure = sentence.text, meaning.roles["failure"]
    if _ORDER.search(text):
        return "not understood", "an order to the program, not about the series"
    other = other_machine(text, own)
    if other is not None and not preface:
        return "other", f"about {other}"
    described = description(text, channels)
    among = described is not None and before.startswith(DESCRIBES)
    if described is not None and (among or failure < CLEAR or section == "normal" or _is_description(described[1])):
        return "normal", f"{DESCRIBES} {', '.join(channel.name for channel in described[0])}"[:200]
    units = [channel.name for channel in channels if channel.unit_in(text)] if re.search(r"[(\[]", text) else []
    if len(units) > 1 and failure < CLEAR:
        return "normal", f"{DESCRIBES} {', '.join(units)}"[:200]
    if preface and _is_title(text) and clarity(meaning) < CERTAIN:
        return "normal", "title"
    if _SAMPLING.search(text) and clarity(meaning) < CLEAR_NEW:
        return "normal", "how the series is measured"
    if _STATES_NORMAL.match(text):
        return "normal", "what is normal"
    if _DENIED.search(text):
        return "normal", "says that it does not happen"
    if meaning.language == ENGLISH and (section == "benign" or _QUIET.search(text) or _LOOKS_LIKE.search(text)):
        return "benign", ""
    weights = dict(meaning.roles)
    if section in weights:
        weights[section] *= SECTION_WEIGHT
    if section == "failure":
        weights["failure"] += weights["benign"]
    if section == "failure" or weights["benign"] < LEAST_BENIGN:
        weights["benign"] = 0.0
    role = max(weights, key=lambda each: weights[each])
    if meaning.language != ENGLISH:
        return "not understood", f"written in {meaning.language}"
    least = LEAST_POSSIBLE if _MAY.search(text) else LEAST_CLARITY["text"]
    if preface and (role in ("normal", "not understood") or clarity(meaning) < least):
        return "normal", "describes the scenario"
    if source == "log" and role == "failure" and clarity(meaning) < (LEAST_CLARITY["log"] if " " in text else CERTAIN):
        return "normal", "routine"
    if role == "failure" and clarity(meaning) < LEAST_FAILURE and not moves(text):
        return "not understood", "does not say what happens to the values"
    return role, "" if role in ("failure", "benign") else _reason(role)


def _is_title(text: str) -> bool:
    """Whether a text names a thing in a few words, and not what it does."""
    words = text.split()
    return len(words) <= LONGEST_TITLE and re.match(r"(?:an?|the|our) ", text, re.I) is not None and not moves(text)


def _is_description(what: str) -> bool:
    """Whether what follows the name of a channel gives its unit at once, and so is no failure."""
    return re.match(r"[^.;]{0,80}?(?:,|\bin|\(|^)\s*\S{1,8}\s*(?:$|[.;,)])", what) is not None and len(what) < 120


def _reason(role: Role) -> str:
    return {"normal": "what is normal", "other": "about another machine"}.get(role, "no failure recognised")
