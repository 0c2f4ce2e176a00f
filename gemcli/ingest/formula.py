"""A formula of Office or MathML as one line of text: ``(a+b)/(2)``, ``x^2``, ``√(n)``."""

from __future__ import annotations

from xml.etree.ElementTree import Element


def formula(item: Element) -> str:
    """The formula under an element; what is not known is read as its parts one after the other."""
    kind = item.tag.rpartition(".")[2]
    if kind in ("t", "mi", "mn", "mo", "mtext"):
        return item.text or ""
    if kind.endswith("Pr") or kind in ("annotation", "annotation-xml"):
        return ""
    parts = [text for child in item if (text := formula(child)) or not child.tag.endswith("Pr")]
    if kind in ("f", "mfrac") and len(parts) >= 2:
        return f"{_closed(parts[-2])}/{_closed(parts[-1])}"
    if kind in ("sSup", "msup") and len(parts) >= 2:
        return f"{parts[-2]}^{_closed(parts[-1])}"
    if kind in ("sSub", "msub") and len(parts) >= 2:
        return f"{parts[-2]}_{_closed(parts[-1])}"
    if kind in ("sSubSup", "msubsup", "munderover") and len(parts) >= 3:
        return f"{parts[-3]}_{_closed(parts[-2])}^{_closed(parts[-1])}"
    if kind == "nary" and len(parts) >= 3:
        sign = item.find("m.naryPr/m.chr")
        mark = (sign.get("m.val") if sign is not None else None) or "∫"
        return (
            mark
            + "".join(f"{at}{_closed(part)}" for at, part in zip("_^", parts[-3:-1], strict=True) if part)
            + f" {parts[-1]}"
        )
    if kind in ("rad", "msqrt", "mroot"):
        degree = parts[-2] if kind == "rad" and len(parts) >= 2 else ""
        return f"√{f'[{degree}]' if degree else ''}({parts[-1] if parts else ''})"
    if kind == "d":
        return f"({', '.join(parts)})"
    if kind in ("mr", "mtr"):
        return ", ".join(parts) + "; "
    return "".join(parts)


def _closed(text: str) -> str:
    return text if len(text) <= 1 or text.isalnum() else f"({text})"
