"""Whether an answer says that something is not in the documents, and says nothing else.

An answer that admits it and then guesses is no honest one: each of its clauses must admit it, or be mere
politeness.
"""

from __future__ import annotations

import re

_DENIED = (
    r"mentioned|stated|specified|provided|given|included|found|contained|discussed|described|addressed|covered"
    r"|present|available|listed|named|known|clear|said|answered|defined|indicated|explicitly|part\ of"
    r"|in\ (?:the|these|those|this|any|it|them)"
)
_ADMITS = re.compile(
    rf"""
    \b(?:is|are|was|were|be|been)(?:\ not|n['’]t)\ (?:\w+\ )?(?:{_DENIED})\b
  | \b(?:do|does|did)(?:\ not|n['’]t)\ (?:\w+\ )?(?:mention|say|state|specify|provide|contain|include|give
      |list|discuss|describe|address|cover|have|appear|name|indicate|answer|offer|refer|exist|define|explain)\b
  | \b(?:no|any)\ (?:\w+\ )?(?:information|mention|indication|answer|details?|data|reference|evidence|such)\b
  | \b(?:can(?:not|\ not|['’]t)|could(?:\ not|n['’]t)|unable\ to|not\ able\ to|not\ possible\ to)\ (?:be\ )?
      (?:\w+\ )?(?:find|found|determined?|answer(?:ed)?|tell|say|see|locate|provide|give)\b
  | ^\W*not\ (?:\w+\ )?(?:{_DENIED})\b
  | ^\W*(?:unknown|n/a|none|nothing|no\ answer)\W*$
  | \b(?:nothing|nowhere)\b.*\b(?:documents?|text|passages?|manual)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_POLITE = re.compile(
    r"^\W*(?:please\b|sorry\b|i['’]?m sorry|i am sorry|i apologi[sz]e|unfortunately\W*$|if you\b|let me know"
    r"|you (?:may|might|can|could|would|should)\b|(?:no|none)\W*$"
    r"|(?:based on|according to|from|in) the (?:\w+ ){0,2}(?:documents?|text|passages?|manual)\W*$)",
    re.IGNORECASE,
)
_CLAUSES = re.compile(
    r"(?<=[.!?])\s+|\n+|;\s+|[,.]?\s+\b(?:but|however|although|though|nevertheless|yet)\b[,:]?\s+",
    re.IGNORECASE,
)


def admits_absence(answer: str) -> bool:
    """Whether all that an answer says is that the documents do not say it."""
    clauses = [clause for clause in _CLAUSES.split(answer.strip()) if clause and re.search(r"\w", clause)]
    admitted = [bool(_ADMITS.search(clause)) for clause in clauses]
    return any(admitted) and all(
        honest or _POLITE.search(clause) for honest, clause in zip(admitted, clauses, strict=True)
    )
