"""Judgements to and from the JSON of annotation tools: Label Studio's tasks, and Argilla's records.

Out, each query and clip is one task with its judgements so far. In, answers given in the tool become judgements; those
that went out and came back unchanged are the same records as before, so that importing twice adds nothing.

Label Studio keeps a task's ``data`` and the ids of results; its labelling interface is ``LABEL_CONFIG``. Argilla needs
the fields ``query`` and ``clip`` and the questions ``label`` (a ``LabelQuestion`` of ``LABELS``), ``reasons``
(``MultiLabelQuestion``) and ``comment`` (``TextQuestion``, not required).
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from feedback_db.errors import FeedbackError
from feedback_db.records.lines import from_json, to_json
from feedback_db.records.opinions import LABELS, REASONS, Judgement

MAX_FILE_BYTES = 256 << 20
TOOLS = ("label-studio", "argilla")

LABEL_CONFIG = "\n".join(
    [
        "<View>",
        '  <Header value="$query"/>',
        '  <Text name="clip" value="$clip_id"/>',
        '  <Choices name="label" toName="clip" choice="single" required="true">',
        *(f'    <Choice value="{label}"/>' for label in LABELS),
        "  </Choices>",
        '  <Choices name="reasons" toName="clip" choice="multiple">',
        *(f'    <Choice value="{reason}"/>' for reason in REASONS),
        "  </Choices>",
        '  <TextArea name="comment" toName="clip" maxSubmissions="1"/>',
        "</View>",
    ]
)
"""Label Studio's labelling interface. For the sound itself, add ``<Audio name="audio" value="$audio"/>`` and the clips'
addresses as ``audio`` to the tasks' data."""

_CONTEXT = (
    "query_text",
    "recording_sha256",
    "query_kind",
    "language",
    "clip_id",
    "clip_kind",
    "rank",
    "score",
    "model",
    "model_version",
    "index_version",
    "gallery",
)
_BEFORE = "judgements"


class Answer(NamedTuple):
    """One person's answer to a task in a tool.

    Attributes:
        judgement_id: Of the judgement that it came from, or one made of the tool's own ids.
        annotator: Who.
        label: One of ``LABELS``, or whatever stands there.
        reasons: Tags.
        comment: Free text, or None.
        created_utc: ISO-8601, or None where the tool does not say.
        seconds: How long it took, or None.
    """

    judgement_id: str
    annotator: str
    label: Any
    reasons: Sequence[str]
    comment: str | None
    created_utc: str | None
    seconds: float | None


def write(judgements: Sequence[Judgement], tool: str) -> str:
    """Return the JSON text of a tool.

    Args:
        judgements: What counts now; several people's of one query and clip share a task.
        tool: One of ``TOOLS``.

    Raises:
        FeedbackError: Unknown tool.
    """
    if tool not in TOOLS:
        raise FeedbackError(f"tool: found {tool!r:.80}, wanted one of {', '.join(TOOLS)}")
    tasks: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        tasks.setdefault(_key(judgement), []).append(judgement)
    make = _label_studio_task if tool == "label-studio" else _argilla_record
    return json.dumps([make(key, said) for key, said in tasks.items()], ensure_ascii=False, indent=1) + "\n"


def read(path: Path) -> Iterator[tuple[int, Judgement | str]]:
    """Yield the number of a task, from 1, with a judgement of it or with what is wrong.

    Raises:
        FeedbackError: The file is too large, no JSON, or of neither tool.
    """
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise FeedbackError(f"{path}: found {size:,} bytes, wanted at most {MAX_FILE_BYTES:,}")
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FeedbackError(f"{path}: found no JSON ({error}), wanted an export of Label Studio or Argilla") from error
    first = tasks[0] if isinstance(tasks, list) and tasks else None
    answers: Callable[[Mapping[str, Any]], Iterator[Answer]]
    if isinstance(first, dict) and "annotations" in first and "data" in first:
        context, answers = "data", _label_studio_answers
    elif isinstance(first, dict) and "responses" in first and "fields" in first:
        context, answers = "metadata", _argilla_answers
    else:
        raise FeedbackError(
            f"{path}: found neither tasks of Label Studio (data, annotations) nor records of Argilla (fields, "
            "responses), wanted one of them"
        )
    for number, task in enumerate(tasks, 1):
        try:
            given = task[context]
            before = _before(given)
            found = list(answers(task))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            yield number, f"found a task of another layout ({error!r:.100})"
            continue
        if context == "metadata":  # an answer that Argilla was only told of as a suggestion is no response there
            yield from ((number, judgement) for judgement in before.values())
        for answer in found:
            try:
                yield number, _judgement(given, answer, before)
            except (FeedbackError, TypeError, ValueError) as error:
                yield number, str(error)


def _key(judgement: Judgement) -> str:
    asked = (judgement.query_kind, judgement.query_text, judgement.recording_sha256, judgement.language)
    return hashlib.sha256(json.dumps([*asked, judgement.gallery, judgement.clip_id]).encode()).hexdigest()[:32]


def _context(said: Sequence[Judgement]) -> dict[str, Any]:
    values = to_json(said[0])
    return {name: values[name] for name in _CONTEXT}


def _query(judgement: Judgement) -> str:
    return judgement.query_text or f"({judgement.query_kind} {(judgement.recording_sha256 or '')[:12]})"


def _label_studio_task(key: str, said: Sequence[Judgement]) -> dict[str, Any]:
    annotations = []
    for judgement in said:
        results: list[dict[str, Any]] = [_result(judgement.judgement_id, "label", "choices", [judgement.label])]
        if judgement.reasons:
            results.append(_result(f"{judgement.judgement_id}-reasons", "reasons", "choices", list(judgement.reasons)))
        if judgement.comment:
            results.append(_result(f"{judgement.judgement_id}-comment", "comment", "text", [judgement.comment]))
        annotations.append({"result": results, "was_cancelled": False, "lead_time": judgement.seconds_taken})
    before = [to_json(judgement) for judgement in said]
    data = {"query": _query(said[0]), **_context(said), "task_key": key, _BEFORE: before}
    return {"data": data, "annotations": annotations, "predictions": []}


def _result(name: str, question: str, value: str, content: list[str]) -> dict[str, Any]:
    kind = "textarea" if value == "text" else value
    return {"id": name, "from_name": question, "to_name": "clip", "type": kind, "value": {value: content}}


def _argilla_record(key: str, said: Sequence[Judgement]) -> dict[str, Any]:
    labels = [judgement.label for judgement in said]
    most = max(dict.fromkeys(labels), key=labels.count)
    return {
        "id": key,
        "fields": {"query": _query(said[0]), "clip": said[0].clip_id},
        # Argilla keeps single values: the records as a text.
        "metadata": {**_context(said), _BEFORE: json.dumps([to_json(each) for each in said], ensure_ascii=False)},
        "suggestions": {"label": {"value": most, "score": labels.count(most) / len(labels), "agent": "feedback_db"}},
        "responses": {},
        "vectors": {},
    }


def _before(given: Mapping[str, Any]) -> dict[str, Judgement]:
    """Return the judgements that a task went out with, by their ids."""
    rows = given.get(_BEFORE) or []
    records = [from_json(row) for row in (json.loads(rows) if isinstance(rows, str) else rows)]
    return {record.judgement_id: record for record in records if isinstance(record, Judgement)}


def _label_studio_answers(task: Mapping[str, Any]) -> Iterator[Answer]:
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        given: dict[str, list[str]] = {}
        name = ""
        for result in annotation.get("result") or []:
            value = result["value"]
            given.setdefault(result["from_name"], []).extend(value.get("choices") or value.get("text") or [])
            name = str(result.get("id") or "") if result["from_name"] == "label" else name
        labels = given.get("label", [])
        who = annotation.get("completed_by")
        seconds = annotation.get("lead_time")
        yield Answer(
            name or f"label-studio {task.get('id')} {annotation.get('id')}",
            str(
                (who.get("email") or who.get("username") or who.get("id"))
                if isinstance(who, dict)
                else f"label-studio-{who}"
            ),
            labels[0] if len(labels) == 1 else labels,
            given.get("reasons", []),
            " ".join(given.get("comment", [])) or None,
            annotation.get("updated_at") or annotation.get("created_at"),
            float(seconds) if isinstance(seconds, int | float) and 0 <= seconds <= 86_400 else None,
        )


def _argilla_answers(record: Mapping[str, Any]) -> Iterator[Answer]:
    people: dict[str, dict[str, Any]] = {}
    for question, responses in record["responses"].items():
        for response in responses:
            if response.get("status", "submitted") == "submitted":
                people.setdefault(str(response.get("user_id")), {})[question] = response["value"]
    for person, said in people.items():
        yield Answer(
            f"argilla {record.get('id')} {person}",
            f"argilla-{person}",
            said.get("label"),
            said.get("reasons") or [],
            said.get("comment") or None,
            None,
            None,
        )


def _judgement(given: Mapping[str, Any], answer: Answer, before: Mapping[str, Judgement]) -> Judgement:
    """Return an answer as a judgement: the one that it came from where nothing of it was changed."""
    old = before.get(answer.judgement_id)
    if old is not None and (old.label, list(old.reasons), old.comment) == (
        answer.label,
        list(answer.reasons),
        answer.comment,
    ):
        return old
    if answer.label not in LABELS:
        raise FeedbackError(f"label: found {answer.label!r:.80}, wanted one of {', '.join(LABELS)}")
    said = json.dumps([answer.judgement_id, answer.annotator, answer.label, list(answer.reasons), answer.comment])
    values: dict[str, Any] = {name: given.get(name) for name in _CONTEXT if given.get(name) is not None}
    needed = ("query_text", "recording_sha256", "language", "rank", "score", "model", "model_version")
    values = dict.fromkeys(needed) | {"consent": False} | values
    if values["recording_sha256"] is not None:
        raise FeedbackError(
            "recording_sha256: found a recording, whose consent no other tool asks for; wanted a text query"
        )
    values |= {
        "label": answer.label,
        "reasons": tuple(answer.reasons),
        "comment": answer.comment,
        "annotator": answer.annotator,
        "seconds_taken": answer.seconds,
        "judgement_id": hashlib.sha256(said.encode()).hexdigest()[:32],
    }
    if answer.created_utc:
        moment = datetime.datetime.fromisoformat(answer.created_utc)
        values["created_utc"] = moment.astimezone(datetime.UTC).isoformat()
    record = from_json({"type": "judgement", **values})
    assert isinstance(record, Judgement)
    return record
