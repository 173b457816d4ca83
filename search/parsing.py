"""What the visitor typed, taken apart: words, quoted phrases, exclusions. Pure text, no database."""

import re
import unicodedata
from dataclasses import dataclass

# A quote opens a phrase only at the start of a word: in `17" monitor` it means inches.
_PHRASE = re.compile(r'(?:(?<=\s)|^)(?P<minus>-?)"(?P<text>[^"]*)"(?=\s|$)')
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
# More words than this say nothing more; they would only make the query slow.
MAX_WORDS = 32


@dataclass(frozen=True)
class ParsedText:
    """The parts of a query, each as it was typed. `wanted` is the text without what is excluded."""

    words: tuple[str, ...]  # outside phrases and exclusions, in order
    phrases: tuple[str, ...]  # every hit must contain each
    excluded: tuple[str, ...]  # words or phrases that no hit may contain
    ends_inside_a_word: bool  # the last word may still be growing

    @property
    def wanted(self) -> str:
        """What is looked for, for the encoder and for spelling: phrases and words without the operators."""
        return " ".join((*self.words, *self.phrases))


def parse(text: str) -> ParsedText:
    """Take a query apart; any text at all is a query.

    `"two words"` is a phrase, `-word` and `-"two words"` are exclusions; a lone quote or minus is punctuation, and
    so are quotes around nothing where nothing else is said.
    """
    text = unicodedata.normalize("NFC", text).translate(_QUOTES).replace("\x00", " ")
    phrases: list[str] = []
    excluded: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        phrase = match["text"].strip()
        if phrase:
            (excluded if match["minus"] else phrases).append(phrase)
        return " "

    rest = _PHRASE.sub(set_aside, text)
    words: list[str] = []
    for word in rest.split():
        if len(word) > 1 and word[0] in "-−" and any(letter.isalnum() for letter in word):
            excluded.append(word[1:])
        else:
            words.append(word)
    if not (words or phrases or excluded):
        words = text.split()  # quotes around nothing: who typed something is not shown everything
    return ParsedText(
        words=tuple(words[:MAX_WORDS]),
        phrases=tuple(phrases[:MAX_WORDS]),
        excluded=tuple(excluded[:MAX_WORDS]),
        ends_inside_a_word=bool(words) and not rest[-1].isspace() and rest.endswith(words[-1]),
    )


def split_code(word: str) -> str | None:
    """`tn2110` -> `tn 2110`: a part code as it may also be written, or None where nothing can be parted."""
    parts = _LETTER_BESIDE_DIGIT.sub(" ", word)
    return parts if parts != word and len(parts.split()) <= 4 else None
