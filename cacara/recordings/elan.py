"""ELAN documents that exist already: tiers added to them, annotations read out of them.

The document is changed as XML and not through a library's model of it, so that whatever else it holds stays as it is.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from cacara.errors import QueryError

MAX_BYTES = 64 << 20
_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"


@dataclasses.dataclass(frozen=True)
class Annotation:
    """An annotation of a tier.

    Attributes:
        start_seconds: Where it begins.
        end_seconds: Where it ends, after the beginning.
        text: Its value, trimmed.
    """

    start_seconds: float
    end_seconds: float
    text: str


def read(path: Path) -> bytes:
    """Return the bytes of a document.

    Raises:
        QueryError: It cannot be read, or has more than ``MAX_BYTES``.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise QueryError(f"{path.name} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise QueryError(f"{path.name} has more than {MAX_BYTES:,} bytes; wanted at most that")
    return content


def with_tiers(document: bytes, added: bytes) -> bytes:
    """Return a document with the tiers of another one beside its own.

    Times, annotations and tiers get names that the document does not have yet; nothing of it is changed or removed.

    Args:
        document: What the linguist has.
        added: A document of ``cacara.recordings.export``: plain tiers whose annotations have times.

    Raises:
        QueryError: ``document`` is no ELAN document.
    """
    root, other = _parsed(document), _parsed(added)
    slots = _slots(root)
    order = root.find("TIME_ORDER")
    if order is None:
        order = Element("TIME_ORDER")
        root.insert(_place_after(root, "HEADER"), order)
    names = {tier.get("TIER_ID", "") for tier in root.iterfind("TIER")}
    taken = {each.get("ANNOTATION_ID", "") for each in root.iter() if each.get("ANNOTATION_ID")} | slots.keys()
    numbers = iter(number for number in range(1, 1 << 31) if not {f"ts{number}", f"a{number}"} & taken)
    times, last = _slots(other), 0
    for tier in other.iterfind("TIER"):
        tier.set("TIER_ID", _free(tier.get("TIER_ID", "?"), names))
        tier.set("LINGUISTIC_TYPE_REF", _plain_type(root))
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
                slot = f"ts{next(numbers)}"
                ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=times[annotation.get(end, "")])
                annotation.set(end, slot)
            last = next(numbers)
            annotation.set("ANNOTATION_ID", f"a{last}")
        root.insert(_place_after(root, "TIER", "TIME_ORDER"), tier)
    _sort(order)
    _raise_last_used(root, last)
    try:
        ElementTree.indent(root, " " * 4)
        return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))
    except RecursionError as error:
        raise QueryError(
            "the ELAN document has elements far too deep in each other; save it with ELAN again"
        ) from error


def tiers(document: bytes) -> tuple[str, ...]:
    """Return the names of a document's tiers.

    Raises:
        QueryError: It is no ELAN document.
    """
    return tuple(tier.get("TIER_ID", "") for tier in _parsed(document).iterfind("TIER"))


def annotations_of(document: bytes, tier: str) -> list[Annotation]:
    """Return the annotations of a tier that have a text, by their times.

    Annotations that refer to others, as translations do, have the times of those.

    Raises:
        QueryError: It is no ELAN document, or has no such tier; the message names those that it has.
    """
    root = _parsed(document)
    chosen = next((each for each in root.iterfind("TIER") if each.get("TIER_ID") == tier), None)
    if chosen is None:
        known = ", ".join(tiers(document)) or "none, as it has no tiers"
        raise QueryError(f"there is no tier {tier!r:.60}; wanted one of {known}")
    slots = {name: int(value) for name, value in _slots(root).items() if value.isdigit()}
    spans: dict[str, tuple[int, int]] = {}
    for each in root.iter("ALIGNABLE_ANNOTATION"):
        start, end = (slots.get(each.get(name, "")) for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"))
        if start is not None and end is not None and end > start:
            spans[each.get("ANNOTATION_ID", "")] = (start, end)
    parents = {each.get("ANNOTATION_ID", ""): each.get("ANNOTATION_REF", "") for each in root.iter("REF_ANNOTATION")}
    found = []
    for each in (*chosen.iter("ALIGNABLE_ANNOTATION"), *chosen.iter("REF_ANNOTATION")):
        text = " ".join((each.findtext("ANNOTATION_VALUE") or "").split())
        name = each.get("ANNOTATION_ID", "")
        for _ in range(len(parents)):
            if name in spans or name not in parents:
                break
            name = parents[name]
        if text and name in spans:
            start, end = spans[name]
            found.append(Annotation(start / 1000, end / 1000, text))
    return sorted(found, key=lambda each: (each.start_seconds, each.end_seconds))


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree of a document without entities, in whatever encoding they would be declared."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse the one place where entities, also those of other files and addresses, can be declared."""
        raise QueryError("the ELAN document declares a DOCTYPE, which none of ELAN's does; save it with ELAN again")


def _parsed(document: bytes) -> Element:
    parser = ElementTree.XMLParser(target=_Builder(insert_comments=True))
    ElementTree.register_namespace("xsi", _SCHEMA)
    try:
        root = ElementTree.fromstring(document, parser)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # an encoding may be unknown
        raise QueryError(f"the ELAN document is damaged ({error}); wanted an .eaf file") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise QueryError(f"it is no ELAN document (found {root.tag!r:.40}); wanted an .eaf file")
    return root


def _slots(root: Element) -> dict[str, str]:
    return {slot.get("TIME_SLOT_ID", ""): slot.get("TIME_VALUE", "") for slot in root.iter("TIME_SLOT")}


def _free(name: str, names: set[str]) -> str:
    found, number = name, 2
    while found in names:
        found, number = f"{name} {number}", number + 1
    names.add(found)
    return found


def _place_after(root: Element, *tags: str) -> int:
    """Return the place behind the last child of the first tag that there is one of, as ELAN's schema orders them."""
    for tag in tags:
        places = [place for place, child in enumerate(root) if child.tag == tag]
        if places:
            return places[-1] + 1
    return 0


def _plain_type(root: Element) -> str:
    """Return a linguistic type for annotations with times of their own; one is added where the document has none."""
    for kind in root.iterfind("LINGUISTIC_TYPE"):
        if (
            kind.get("TIME_ALIGNABLE") == "true"
            and not kind.get("CONSTRAINTS")
            and not kind.get("CONTROLLED_VOCABULARY_REF")
        ):
            return kind.get("LINGUISTIC_TYPE_ID", "")
    name = _free("default-lt", {kind.get("LINGUISTIC_TYPE_ID", "") for kind in root.iterfind("LINGUISTIC_TYPE")})
    made = Element("LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID=name, TIME_ALIGNABLE="true", GRAPHIC_REFERENCES="false")
    root.insert(_place_after(root, "LINGUISTIC_TYPE", "TIER", "TIME_ORDER"), made)
    return name


def _sort(order: Element) -> None:
    """Sort the times as ELAN writes them; those without a value stay behind the one before them."""
    last, keyed = 0, []
    for place, slot in enumerate(order):
        value = slot.get("TIME_VALUE", "")
        last = int(value) if value.isdigit() else last
        keyed.append((last, place, slot))
    order[:] = [slot for *_, slot in sorted(keyed, key=lambda each: each[:2])]


def _raise_last_used(root: Element, last: int) -> None:
    """Let the document's count of annotations, from which ELAN makes the next id, be no smaller than ours."""
    for each in root.iterfind("HEADER/PROPERTY[@NAME='lastUsedAnnotationId']"):
        if (each.text or "").strip().isdigit():
            each.text = str(max(last, int((each.text or "0").strip())))
