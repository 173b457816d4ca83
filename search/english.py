"""Words that British and American English spell differently, of which one catalogue of many suppliers has both."""

# A part of a word in either; so each stands for all that is made of it: colours, multicolour, organiser.
_SPELLINGS = (
    ("aluminium", "aluminum"),
    ("analogue", "analog"),
    ("armour", "armor"),
    ("cancelling", "canceling"),
    ("catalogue", "catalog"),
    ("centre", "center"),
    ("colour", "color"),
    ("cosy", "cozy"),
    ("favourite", "favorite"),
    ("fibre", "fiber"),
    ("flavour", "flavor"),
    ("grey", "gray"),
    ("jewellery", "jewelry"),
    ("labelling", "labeling"),
    ("levelling", "leveling"),
    ("licence", "license"),
    ("litre", "liter"),
    ("metre", "meter"),
    ("modelling", "modeling"),
    ("mould", "mold"),
    ("moisturis", "moisturiz"),
    ("odour", "odor"),
    ("organis", "organiz"),
    ("programme", "program"),
    ("pyjama", "pajama"),
    ("sterilis", "steriliz"),
    ("theatre", "theater"),
    ("travelling", "traveling"),
    ("tyre", "tire"),
)


def other_spelling(word: str) -> str | None:
    """A word as the other side of the Atlantic spells it, in lower case; None where both spell it alike.

    It may be none (`entyre`): who asks looks it up.
    """
    text = word.lower()
    for british, american in _SPELLINGS:
        if british in text:
            return text.replace(british, american)
        if american in text:
            return text.replace(american, british)
    return None
