"""The charts of a comparison, as Plotly figures in JSON-ready dicts; the page gives them its colours.

A chart's key is its kind and what it depends on, joined with ``|``: ``recalls|text_to_audio``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cacara import languages
from cacara.benchmark.outcome import NO_LANGUAGE
from cacara.errors import LanguageError

COLOURS = ("#3f82d6", "#e0803c", "#2f9e78", "#a766c4", "#c39a1d", "#d0505f", "#4aa3b5", "#8d8f99")
DIVERGING = ((0.0, "#b8503a"), (0.5, "#efece6"), (1.0, "#2a7d63"))  # reads the same on a light and a dark page
ROW_PIXELS = 17
COLUMN_PIXELS = 64
MAX_COLUMNS_WITH_FIGURES = 16  # more leave no room for figures in the cells

Figure = dict[str, Any]
Report = Mapping[str, Any]


def charts(report: Report) -> dict[str, Figure]:
    """Return every chart of a comparison by its key."""
    found: dict[str, Figure] = {}
    for direction in report["directions"]:
        models = [model for model in report["models"] if direction in model["summary"]]
        found[f"recalls|{direction}"] = _recalls(models, direction)
        if any(code != NO_LANGUAGE for code in models[0]["directions"][direction]):
            found[f"languages|{direction}"] = _languages(models, direction)
            found[f"consistency|{direction}"] = _consistency(models, direction)
        if len(models) > 2 and report["z_scores"][direction][models[0]["name"]]["languages"]:
            found[f"z_scores|{direction}"] = _z_scores(report["z_scores"][direction], models, direction)
        for model in models:
            if model["confusions"][direction]:
                found[f"confusions|{direction}|{model['name']}"] = _confusions(model["confusions"][direction])
            if model["hubness"][direction]["hubs"]:
                found[f"hubs|{direction}|{model['name']}"] = _hubs(model["hubness"][direction]["hubs"])
    for test in report["tests"]:
        if len(test["languages"]) > 1:
            pair = f"{test['first']} → {test['second']}"
            found[f"differences|{test['direction']}|{pair}|{test['metric']}"] = _differences(test)
    return found


def language_name(code: str) -> str:
    """Return a language's English name, or the code of one that nobody has registered."""
    if code == NO_LANGUAGE:
        return "no language"
    try:
        return languages.describe(code).english_name
    except LanguageError:
        return code


def _recalls(models: Sequence[Report], direction: str) -> Figure:
    """Bars with intervals: R@1 and R@10 of English and of the others."""
    parts = [("english", "English"), ("mean_other", "others"), ("without_language", "all")]
    shown = [(key, name) for key, name in parts if models[0]["summary"][direction].get(key)]
    data = []
    for number, model in enumerate(models):
        found = [(model["summary"][direction][key], depth) for depth in (1, 10) for key, _ in shown]
        values = [figures[f"recall_at_{depth}"] for figures, depth in found]
        intervals = [figures[f"ci95_recall_at_{depth}"] for figures, depth in found]
        data.append(
            {
                "type": "bar",
                "name": model["name"],
                "x": [f"{name}<br>R@{depth}" for depth in (1, 10) for _, name in shown],
                "y": values,
                "marker": {"color": COLOURS[number % len(COLOURS)]},
                "error_y": _error_bars(values, intervals),
                "customdata": [[*interval] for interval in intervals],
                "hovertemplate": "%{fullData.name}: %{y:.1f} (95 % %{customdata[0]:.1f}–%{customdata[1]:.1f})"
                "<extra></extra>",
            }
        )
    layout = _layout(360, barmode="group", yaxis={"title": {"text": "%"}, "rangemode": "tozero"})
    return {"data": data, "layout": layout | {"legend": _legend()}}


def _languages(models: Sequence[Report], direction: str) -> Figure:
    """A heat map: languages, the first model's worst on top, by model and depth."""
    order = _worst_first(models[0]["directions"][direction])
    columns = [(model, depth) for model in models for depth in (1, 10)]
    rows = [[model["directions"][direction][code] for model, _ in columns] for code in order]
    text = [
        [
            f"{figures[f'recall_at_{depth}']:.1f}, 95 % {figures[f'ci95_recall_at_{depth}'][0]:.1f}–"
            f"{figures[f'ci95_recall_at_{depth}'][1]:.1f}; {figures['queries']} queries"
            for figures, (_, depth) in zip(row, columns, strict=True)
        ]
        for row in rows
    ]
    z = [[figures[f"recall_at_{depth}"] for figures, (_, depth) in zip(row, columns, strict=True)] for row in rows]
    heat = _heat(z) | {"hovertext": [[language_name(code)] * len(columns) for code in order]}
    heat |= {"colorscale": "Viridis", "zmin": 0, "zmax": 100, "customdata": text, "colorbar": _colour_bar("%")}
    heat["hovertemplate"] = "%{hovertext}<br>%{customdata}<extra></extra>"
    labels = [f"{_broken(model['name'])}<br>R@{depth}" for model, depth in columns]
    return {"data": [heat], "layout": _language_layout(order, labels)}


def _z_scores(scores: Report, models: Sequence[Report], direction: str) -> Figure:
    """A heat map of z over models, languages in the order of the recalls."""
    known = scores[models[0]["name"]]["languages"]
    order = [code for code in _worst_first(models[0]["directions"][direction]) if code in known]
    z = [[scores[model["name"]]["languages"][code] for model in models] for code in order]
    heat = _heat(z) | {"hovertext": [[language_name(code)] * len(models) for code in order]}
    heat["textfont"] = {"color": "#1d2530"}
    heat |= {"colorscale": DIVERGING, "zmid": 0, "colorbar": _colour_bar("z")}
    heat["hovertemplate"] = "%{hovertext}: z %{z:.2f}<extra></extra>"
    return {"data": [heat], "layout": _language_layout(order, [_broken(model["name"]) for model in models])}


def _differences(test: Report) -> Figure:
    """Each language's difference with its interval, worst on top; filled where it stands after Holm."""
    rows = test["languages"]
    order = sorted(rows, key=lambda code: (rows[code]["difference"], code))
    kinds = (
        ("better, p < 0.05 after Holm", COLOURS[2], "circle", lambda row: row["significant"] and row["difference"] > 0),
        ("worse, p < 0.05 after Holm", COLOURS[5], "circle", lambda row: row["significant"] and row["difference"] < 0),
        ("not told apart", COLOURS[7], "circle-open", lambda row: not row["significant"]),
    )
    data = []
    for name, colour, symbol, chosen in kinds:
        codes = [code for code in order if chosen(rows[code])]
        values = [rows[code]["difference"] for code in codes]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{name}: {len(codes)}",
                "x": values,
                "y": [order.index(code) for code in codes],
                "error_x": _error_bars(values, [rows[code]["ci95"] for code in codes]) | {"color": colour},
                "marker": {"color": colour, "symbol": symbol, "size": 8},
                "customdata": [[language_name(code), rows[code]["p"], rows[code]["p_holm"]] for code in codes],
                "hovertemplate": "%{customdata[0]}: %{x:+.1f}<br>p %{customdata[1]:.4f}, after Holm "
                "%{customdata[2]:.4f}<extra></extra>",
            }
        )
    layout = _language_layout(order)
    layout["xaxis"] |= {"title": {"text": f"points of R@{test['metric'].rsplit('_', 1)[1]}"}, "zeroline": True}
    layout["yaxis"] |= {"autorange": False, "range": [len(order) - 0.4, -0.6]}
    layout["meta"]["min_width"] = 0
    legend = _legend() | {"y": 0, "yanchor": "top"}
    return {"data": data, "layout": layout | {"legend": legend, "height": layout["height"] + 60}}


def _confusions(rows: Sequence[Report]) -> Figure:
    """What came first instead, as bars, the most frequent on top."""
    shown = rows[:25]
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": [row["share"] for row in shown],
        "y": list(range(len(shown))),
        "marker": {"color": COLOURS[0]},
        "customdata": [[row["asked"], row["given"], row["queries"]] for row in shown],
        "hovertemplate": "asked for %{customdata[0]}, came first %{customdata[1]}: %{x:.0f} % of its queries "
        "(%{customdata[2]})<extra></extra>",
    }
    return {"data": [bar], "layout": _bar_layout([f"{row['asked']} → {row['given']}" for row in shown], "% of queries")}


def _hubs(rows: Sequence[Report]) -> Figure:
    """Candidates that stand among the first ten most often."""
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": [row["share_of_queries"] for row in rows],
        "y": list(range(len(rows))),
        "marker": {"color": COLOURS[3]},
        "customdata": [row["candidate"] for row in rows],
        "hovertemplate": "%{customdata}: among the first ten of %{x:.0f} % of queries<extra></extra>",
    }
    labels = [row["candidate"].rsplit("/", 1)[-1] for row in rows]
    return {"data": [bar], "layout": _bar_layout(labels, "% of queries")}


def _consistency(models: Sequence[Report], direction: str) -> Figure:
    """Each concept's mean rank over languages against its spread."""
    data = []
    for number, model in enumerate(models):
        concepts = model["rank_consistency"][direction]["concepts"]
        variance = model["rank_consistency"][direction]["mean_rank_variance"]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": model["name"] if variance is None else f"{model['name']}: mean variance {variance:.0f}",
                "x": [row["mean_rank"] for row in concepts.values()],
                "y": [row["std_rank"] for row in concepts.values()],
                "marker": {"color": COLOURS[number % len(COLOURS)], "size": 8, "opacity": 0.75},
                "customdata": [[concept, row["languages"]] for concept, row in concepts.items()],
                "hovertemplate": "%{customdata[0]}: mean rank %{x:.1f}, ± %{y:.1f} over %{customdata[1]} languages"
                "<extra></extra>",
            }
        )
    layout = _layout(420, xaxis={"title": {"text": "mean rank over languages"}, "rangemode": "tozero"})
    layout["yaxis"] = {"title": {"text": "standard deviation"}, "rangemode": "tozero"}
    return {"data": data, "layout": layout | {"legend": _legend()}}


def _heat(z: Sequence[Sequence[float]]) -> Figure:
    filled = "%{z:.1f}" if len(z[0]) <= MAX_COLUMNS_WITH_FIGURES else ""
    return {"type": "heatmap", "z": z, "xgap": 1, "ygap": 1, "texttemplate": filled}


def _worst_first(rows: Report) -> list[str]:
    return sorted(rows, key=lambda code: (rows[code]["recall_at_10"], code))


def _error_bars(values: Sequence[float], intervals: Sequence[Sequence[float]]) -> Figure:
    above = [upper - value for value, (_, upper) in zip(values, intervals, strict=True)]
    below = [value - lower for value, (lower, _) in zip(values, intervals, strict=True)]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.2, "width": 3}


def _layout(height: int, **more: object) -> Figure:
    margin = {"l": 56, "r": 16, "t": 24, "b": 60}
    return {"height": height, "margin": margin, **more}


def _language_layout(order: Sequence[str], columns: Sequence[str] = ()) -> Figure:
    layout = _layout(ROW_PIXELS * len(order) + 120)
    layout["yaxis"] = {
        "tickvals": list(range(len(order))),
        "ticktext": [f"{language_name(code)} {code}" for code in order],
        "autorange": "reversed",
        "automargin": True,
        "showgrid": not columns,
        "zeroline": False,
    }
    layout["xaxis"] = {"zeroline": False, "side": "top", "showgrid": not columns, "automargin": True}
    if columns:
        layout["xaxis"] |= {"tickvals": list(range(len(columns))), "ticktext": list(columns), "tickangle": 0}
    layout["meta"] = {"short": list(order), "min_width": 130 + COLUMN_PIXELS * len(columns)}
    layout["margin"] = {"l": 20, "r": 16, "t": 70, "b": 30}
    return layout


def _bar_layout(labels: Sequence[str], title: str) -> Figure:
    layout = _layout(22 * len(labels) + 90, xaxis={"title": {"text": title}})
    layout["yaxis"] = {
        "tickvals": list(range(len(labels))),
        "ticktext": [_shortened(label) for label in labels],
        "autorange": "reversed",
        "automargin": True,
        "showgrid": False,
        "zeroline": False,
    }
    return layout


def _legend() -> Figure:
    return {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "yref": "paper"}


def _colour_bar(title: str) -> Figure:
    return {"title": {"text": title}, "thickness": 10, "len": 300, "lenmode": "pixels", "yanchor": "top", "y": 1}


def _broken(name: str) -> str:
    return name.replace(":", ":<br>") if len(name) > 12 else name


def _shortened(label: str) -> str:
    return label if len(label) <= 42 else f"{label[:41]}…"
