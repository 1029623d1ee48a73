"""An analysis as one HTML page: figures, comparisons, slices, plots, and every answer beside the right one.

In: an `Analysis`. Out: the text of a file that needs nothing else: style, script and data are inside, the policy in its head forbids any other. Words of requests and flows
are data to the page: escaped in tables, JSON without angle brackets for the script, which sets them as text only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from html import escape
from pathlib import Path
from typing import Any

from nl2dsl.evaluation import plots, render
from nl2dsl.evaluation.analysis import BY_NAME, SLICED, Analysis, Measure, Scored
from nl2dsl.evaluation.cases import Case
from nl2dsl.evaluation.scoring import KINDS, Scores
from nl2dsl.evaluation.statistics import Figure

Segment = tuple[str, bool]  # text, whether it is what differs
Diff = list[tuple[str, list[Segment] | None, list[Segment] | None]]  # " " same, "~" changed, "-" only left, "+" only right
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_WORD = re.compile(r"\w+")
_ALIKE = 0.4  # lines with a smaller share of words in common do not stand side by side


def page(a: Analysis) -> str:
    """The whole file."""
    style, script = (Path(__file__).with_name(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    title = f"Evaluation: {', '.join(r.label for r in a.runs)}"
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{style}</style></head><body>',
        _header(a), "<main>", _runs(a), _notes(a), _figures(a), _comparisons(a), _slices(a), _distributions(a), _mistakes(a), _browser(), _footer(),
        f'</main><script type="application/json" id="data">{_json(data(a))}</script><script>{script}</script></body></html>\n',
    ]  # fmt: skip
    return "\n".join(p for p in parts if p)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    """JSON that no HTML parser can see an end of script in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


# --- head ----------------------------------------------------------------------------------------------------------------------


def _header(a: Analysis) -> str:
    places = [("figures", "Figures"), ("comparisons", "Comparisons"), ("slices", "Slices"), ("mistakes", "Mistakes"), ("answers", "Answers")]
    links = "".join(f'<a href="#{id}">{name}</a>' for id, name in places if id != "comparisons" or a.pairs)
    return f'<header><h1>Evaluation</h1><nav aria-label="parts of this page">{links}</nav><button id="theme" type="button" aria-label="light or dark">◐ theme</button></header>'


def _runs(a: Analysis) -> str:
    return f'<div class="runs">{"".join(_run(a, i, r) for i, r in enumerate(a.runs))}</div>'


def _run(a: Analysis, i: int, r: Scored) -> str:
    head, main = r.run.head, BY_NAME["flow_similarity"]
    env, exact, refused = head.get("environment", {}), BY_NAME["exact sequence"], BY_NAME["harmful requests refused"]
    shown = main if a.figures[r.label, main.name].n else refused
    f = a.figures[r.label, shown.name]
    tries = f" × {r.tries} tries" if r.tries > 1 else ""
    facts = [
        ("interval", f"[{render.number(f.low, shown)}, {render.number(f.high, shown)}], n {f.n:,}"),
        ("exact", render.shown(a.figures[r.label, exact.name], exact, False)),
        ("writer", f"{head.get('writer', {}).get('name', '')} {str(head.get('writer', {}).get('digest', ''))[:12]}"),
        ("rows", f"{len(r.rows):,}{tries} from {head.get('rows', {}).get('file', '')}"),
        ("run", f"{str(env.get('started', ''))[:16].replace('T', ' ')}, nl2dsl {env.get('nl2dsl', '')} {env.get('commit', '')}"),
        ("machine", f"{env.get('processor', '')}, {env.get('cores', '?')} cores, load {env.get('load') or 0:.1f}, Python {env.get('python', '')}"),
    ]
    inside = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in facts)
    big = f'<div class="big">{render.number(f.value, shown)}{render.unit(shown)}</div><span class="soft">{escape(shown.name)}</span>' if f.n else ""
    return f'<div class="run">{_name(i, r.label)}{big}<dl>{inside}</dl></div>'


def _name(i: int, label: str) -> str:
    return f'<span class="swatch c{i % plots.COLOURS}"></span><strong>{escape(label)}</strong>'


def _notes(a: Analysis) -> str:
    notes = render.caveats(a)
    return f'<ul class="notes">{"".join(f"<li>{escape(n)}</li>" for n in notes)}</ul>' if notes else ""


# --- figures -------------------------------------------------------------------------------------------------------------------


def _figures(a: Analysis) -> str:
    rows, group = [], ""
    for m in a.measures:
        if m.group != group:
            group = m.group
            rows.append(f'<tr><td class="group" colspan="{len(a.runs) + 2}">{escape(group)}</td></tr>')
        found = [a.figures.get((r.label, m.name), Figure(0, 0, 1, 0)) for r in a.runs]
        arrow = {1: " ↑", -1: " ↓", 0: ""}[m.better]
        best = _best(found, m)
        cells = "".join(f'<td class="{"best" if i == best else ""}">{_cell(f, m)}</td>' for i, f in enumerate(found))
        rows.append(f'<tr><td>{escape(m.name)}<span class="soft">{arrow}</span></td><td class="plot">{_plot(a, found, m)}</td>{cells}</tr>')
    head = "".join(f'<th scope="col">{_name(i, r.label)}</th>' for i, r in enumerate(a.runs))
    table = (
        f'<table><thead><tr><th scope="col">measure</th><th scope="col">95 % interval</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    powers = "; ".join(
        f"{p.label}: {render.detectable(p.similarity, BY_NAME['flow_similarity'])} of flow_similarity, {render.detectable(p.exact, BY_NAME['exact sequence'])} of exact sequences (n {p.n:,})"
        for p in a.power
    )
    about = f'<p class="soft">{escape(render.HOW_TO_READ)}</p><p class="soft">{escape(render.ABOUT_POWER)} {escape(powers)}.</p>'
    return f'<section id="figures"><h2>Figures</h2>{table}{about}</section>'


def _cell(f: Figure, m: Measure) -> str:
    if not f.n:
        return '<span class="none">not measured</span>'
    return f"{render.number(f.value, m)}{render.unit(m)} <small>[{render.number(f.low, m)}, {render.number(f.high, m)}] n {f.n:,}</small>"


def _best(found: Sequence[Figure], m: Measure) -> int:
    values = [(f.value * m.better, i) for i, f in enumerate(found) if f.n]
    return max(values)[1] if m.better and len(values) > 1 and len({v for v, _ in values}) == len(values) else -1


def _plot(a: Analysis, found: Sequence[Figure], m: Measure) -> str:
    measured = [f for f in found if f.n]
    if not measured:
        return ""
    top = 1.0 if m.unit in ("", "%") else max(f.high for f in measured) * 1.05 or 1.0
    said = "; ".join(f"{r.label}: {render.shown(f, m)}" for r, f in zip(a.runs, found, strict=True))
    return plots.intervals(found, 0.0, top, f"{m.name}. {said}", 220)


def _comparisons(a: Analysis) -> str:
    if not a.pairs:
        return ""
    reach = {p.measure.name: max(abs(x) for q in a.pairs if q.measure == p.measure for x in (q.found.low, q.found.high, 1e-9)) for p in a.pairs}
    rows, names = [], ""
    for p in a.pairs:
        if names != (names := f"{p.second} against {p.first}"):
            rows.append(f'<tr><td class="group" colspan="7">{escape(names)}</td></tr>')
        sure, said = p.adjusted < 0.05, render.difference(p.found, p.measure)
        good = p.measure.better * p.found.difference
        verdict = (
            '<span class="unsure">unclear</span>'
            if not sure
            else f'<span class="{"up" if good > 0 else "down"}">{"better" if good > 0 else "worse"}</span>'
        )
        plot = plots.difference(
            p.found.low * p.measure.better,
            p.found.difference * p.measure.better,
            p.found.high * p.measure.better,
            reach[p.measure.name],
            f"{p.measure.name}: {said}",
            sure,
        )
        rows.append(
            f'<tr><td>{escape(p.measure.name)}</td><td class="plot">{plot}</td><td>{said} <small>n {p.found.n:,}</small></td><td>{verdict}</td>'
            f"<td>{render.chance(p.found.p)} <small>{escape(p.test)}</small></td><td>{render.chance(p.adjusted)}</td><td>{render.detectable(p.found.detectable, p.measure)}</td></tr>"
        )
    head = "".join(f'<th scope="col">{h}</th>' for h in ("measure", "← worse · better →", "difference", "", "p", "p (Holm)", "detectable"))
    return f'<section id="comparisons"><h2>Comparisons on the same rows</h2><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></section>'


# --- slices, distributions -----------------------------------------------------------------------------------------------------


def _slices(a: Analysis) -> str:
    if not a.slices:
        return ""
    names = [n for n in SLICED if any(f.n for _, found in a.slices for (_, name), f in found.items() if name == n)]
    choices = "".join(f'<option value="{i}">{escape(n)}</option>' for i, n in enumerate(names))
    tables = "".join(_sliced(a, name, i) for i, name in enumerate(names))
    tools = f'<div class="tools"><label>measure <select id="sliced">{choices}</select></label></div>'
    return f'<section id="slices"><h2>Slices</h2>{tools}{tables}</section>'


def _sliced(a: Analysis, name: str, place: int) -> str:
    m, rows, group = BY_NAME[name], [], ""
    for s, figures in a.slices:
        found = [figures[r.label, name] for r in a.runs]
        if not any(f.n for f in found):
            continue
        if s.group != group:
            group = s.group
            rows.append(f'<tr><td class="group" colspan="{len(a.runs) + 2}">{escape(group)}</td></tr>')
        rows.append(
            f'<tr><td>{escape(s.name)}</td><td class="plot">{_plot(a, found, m)}</td>{"".join(f"<td>{_cell(f, m)}</td>" for f in found)}</tr>'
        )
    head = "".join(f'<th scope="col">{_name(i, r.label)}</th>' for i, r in enumerate(a.runs))
    hidden = " hidden" if place else ""
    return f'<table data-sliced="{place}"{hidden}><thead><tr><th scope="col">slice</th><th scope="col">{escape(name)}</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _distributions(a: Analysis) -> str:
    similar = [[s.similarity for s in r.scores if s.similarity is not None] for r in a.runs]
    seconds = [[s.seconds for s in r.scores if s.seconds] for r in a.runs]
    legend = " ".join(_name(i, r.label) for i, r in enumerate(a.runs))
    first = (
        f"<figure><figcaption>flow_similarity: share of answers</figcaption>{plots.histogram(similar, 'Histogram of flow_similarity')}</figure>"
        if any(similar)
        else ""
    )
    second = (
        f"<figure><figcaption>share of answers that took at most so long</figcaption>{plots.cumulative(seconds, 'Seconds, cumulative')}</figure>"
        if any(seconds)
        else ""
    )
    return f'<section><h2>Distributions</h2><p>{legend}</p><div class="plots">{first}{second}</div></section>' if first or second else ""


# --- mistakes ------------------------------------------------------------------------------------------------------------------


def _mistakes(a: Analysis) -> str:
    kinds = {kind: [dict(m.kinds).get(kind) for m in a.mistakes] for m in a.mistakes for kind, _ in m.kinds}
    order = sorted(kinds, key=lambda k: -max(f.value for f in kinds[k] if f))
    top = max((f.value for found in kinds.values() for f in found if f), default=1.0)
    share = BY_NAME["exact sequence"]
    rows = []
    for kind in order:
        found = kinds[kind]
        cells = "".join(
            f'<td><button type="button" data-kind="{escape(kind)}" data-run="{i}">{round(f.value * f.n)}</button> <small>{render.shown(f, share, False)}</small></td>'
            if f
            else "<td>–</td>"
            for i, f in enumerate(found)
        )
        bars = plots.bars([f.value if f else 0.0 for f in found], top, f"{kind}: {', '.join(render.shown(f, share) for f in found)}")
        rows.append(
            f'<tr><td title="{escape(KINDS.get(kind, ""))}">{escape(kind)}<br><small>{escape(KINDS.get(kind, ""))}</small></td><td class="plot">{bars}</td>{cells}</tr>'
        )
    head = "".join(f'<th scope="col">{_name(i, r.label)}</th>' for i, r in enumerate(a.runs))
    kinds_table = (
        f'<table><thead><tr><th scope="col">kind</th><th scope="col">share of answers</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    more = "".join(
        f"<details><summary>{escape(title)}</summary>{_plain(columns, lines)}</details>"
        for title, columns, lines in list(render.mistakes(a))
        if lines and not title.startswith("Mistakes")
    )
    body = kinds_table if rows else "<p>None.</p>"
    return f'<section id="mistakes"><h2>Mistakes</h2><p class="soft">An answer may have several. The number of a kind shows those answers.</p>{body}{more}</section>'


def _plain(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    columns = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>"


def _browser() -> str:
    select = '<label>{0} <select id="{1}">{2}</select></label>'
    verdicts = {
        "wrong": "with a mistake",
        "steps": "wrong steps",
        "right": "without",
        "differ": "where runs differ",
        "worst": "wrong in every run",
        "all": "all",
    }
    orders = {"worst": "worst first", "best": "best first", "file": "as in the file", "slow": "slowest first"}
    tools = [
        '<input id="search" type="search" placeholder="words of the request or the flow" aria-label="search">',
        select.format("run", "run", ""),
        select.format("answers", "verdict", "".join(f'<option value="{k}">{v}</option>' for k, v in verdicts.items())),
        select.format("mistake", "kind", '<option value="">any</option>'),
        select.format("slice", "slice", '<option value="">all</option>'),
        select.format("code", "code", '<option value="">any</option>'),
        select.format("order", "order", "".join(f'<option value="{k}">{v}</option>' for k, v in orders.items())),
        '<span id="count" role="status"></span>',
    ]
    keys = '<p class="soft"><kbd>/</kbd> search · <kbd>j</kbd> <kbd>k</kbd> next, previous · <kbd>[</kbd> <kbd>]</kbd> other run · <kbd>Esc</kbd> clear the search</p>'
    inside = '<ul id="list" role="listbox" tabindex="0" aria-label="answers"></ul><div id="detail" tabindex="0" aria-live="polite" aria-label="answer"></div>'
    return f'<section id="answers"><h2>Answers</h2><div class="tools">{"".join(tools)}</div><div class="browser">{inside}</div>{keys}</section>'


def _footer() -> str:
    return "<footer>Made by <code>nl2dsl report</code> from the answers of the runs; what each measure means is in docs/evaluation.md.</footer>"


# --- the data of the browser ---------------------------------------------------------------------------------------------------


def data(a: Analysis) -> dict[str, Any]:
    """What the script shows: requests, answers, what is wrong with each."""
    cases: dict[str, Case] = {}
    for r in a.runs:
        for id, case in r.run.cases.items():
            cases.setdefault(id, case)
    answers = [_answers(r) for r in a.runs]
    place = {id: i for i, id in enumerate(cases)}
    codes = {code: what for m in a.mistakes for code, _, what, _ in m.codes}
    return {
        "runs": [r.label for r in a.runs],
        "kinds": {kind: KINDS[kind] for kind in KINDS if any(k == kind for m in a.mistakes for k, _ in m.kinds)},
        "codes": sorted(codes.items()),
        "slices": [{"group": s.group, "name": s.name, "rows": sorted(place[id] for id in s.ids)} for s, _ in a.slices],
        "rows": [
            _row(case, [found.get(id) if r.run.cases.get(id) == case else None for r, found in zip(a.runs, answers, strict=True)])
            for id, case in cases.items()
        ],
    }


def _row(case: Case, answers: list[dict[str, Any] | None]) -> dict[str, Any]:
    others = [" → ".join(a) for a in case.answers[1:]]
    facets = [f"{k}: {v}" for k, v in case.facets.items()]
    gold = case.dsl or "\n".join(case.gold) or f"refuse: {case.refuse}"
    return {
        "id": case.id,
        "query": case.query,
        "gold": gold,
        "gives": "refusal" if case.refuse else "flow" if case.dsl else "operations",
        "facets": facets,
        "others": others,
        "answers": answers,
    }


def _answers(r: Scored) -> dict[str, dict[str, Any]]:
    """By row; of several tries the first that is not exact, which is what one wants to see."""
    rows: dict[tuple[str, int], dict[str, Any]] = {(a["id"], a["repeat"]): a for a in r.run.answers}
    found = {}
    for id, tries in r.rows.items():
        shown = next((s for s in tries if s.mistakes), tries[0])
        answer, case = rows[id, shown.repeat], r.run.cases[id]
        effects = r.effects.get((id, shown.repeat))
        found[id] = {
            "similarity": shown.similarity,
            "exact": shown.exact,
            "seconds": shown.seconds,
            "mistakes": [(m.kind, m.wanted, m.made) for m in shown.mistakes],
            "codes": [(d["code"], d["severity"], d["message"]) for d in answer.get("diagnostics") or ()],
            "chips": _chips(shown, tries, answer),
            "text": answer.get("dsl") or "",
            "diff": _compared(case, answer),
            "effects": diff(effects.wanted, effects.made) if effects else [],
        }
    return found


def _chips(s: Scores, tries: Sequence[Scores], answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What was scored, in few words."""
    found = [(s.outcome if s.outcome != "refusal" else f"refused: {answer.get('category')}", "" if s.outcome == "flow" else "bad")]
    if s.similarity is not None:
        found += [(f"similarity {s.similarity:.2f}", "good" if s.exact else ""), (f"order {s.order or 0:.2f}", "")]
    if s.placed[1]:
        found.append((f"values placed {s.placed[0]} of {s.placed[1]}", "good" if s.placed[0] == s.placed[1] else "bad"))
    if s.execution is not None:
        found.append(("same effects" if s.execution else "other effects", "good" if s.execution else "bad"))
    if len(tries) > 1:
        found.append((f"exact in {sum(bool(t.exact) for t in tries)} of {len(tries)} tries", ""))
    if s.missing:
        found.append((f"{s.missing} value{'s' * (s.missing > 1)} to ask for", ""))
    if isinstance(answer.get("confidence"), float):
        found.append((f"confidence {answer['confidence']:.2f}", ""))
    return found + ([(f"{1000 * s.seconds:,.0f} ms", "")] if s.seconds else [])


def _compared(case: Case, answer: dict[str, Any]) -> Diff:
    """Right and written side by side: the flows where both are whole, else the operations."""
    if case.refuse:
        made = f"refused: {answer.get('category')}" if answer["outcome"] == "refusal" else answer.get("dsl") or answer["outcome"]
        return diff([f"refused: {case.refuse}"], made.splitlines())
    if case.dsl:
        return diff(case.dsl.splitlines(), str(answer.get("dsl") or "").splitlines())
    made = case.counted(answer.get("operations") or [])
    return diff(max(case.answers, key=lambda right: SequenceMatcher(None, right, made, autojunk=False).ratio()), made)


def diff(left: Sequence[str], right: Sequence[str]) -> Diff:
    """Two texts line by line; lines that are alike stand side by side, with the words that differ marked."""
    found: Diff = []
    for tag, i, j, k, n in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [(" ", [(line, False)], [(line, False)]) for line in left[i:j]]
        else:
            found += _aligned(left[i:j], right[k:n])
    return found


def _aligned(left: Sequence[str], right: Sequence[str]) -> Diff:
    """The pairing of lines, in order, that has most words in common."""
    words = [Counter(_WORD.findall(line)) for line in left], [Counter(_WORD.findall(line)) for line in right]
    alike = [[_common(a, b) for b in words[1]] for a in words[0]]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for k in range(len(right) - 1, -1, -1):
            best[i][k] = max(best[i + 1][k], best[i][k + 1], best[i + 1][k + 1] + alike[i][k] if alike[i][k] >= _ALIKE else 0.0)
    found: Diff = []
    i = k = 0
    while i < len(left) or k < len(right):
        if i < len(left) and k < len(right) and alike[i][k] >= _ALIKE and best[i][k] == best[i + 1][k + 1] + alike[i][k]:
            found.append(("~", *_marked(left[i], right[k])))
            i, k = i + 1, k + 1
        elif i < len(left) and (k == len(right) or best[i][k] == best[i + 1][k]):
            found.append(("-", [(left[i], False)], None))
            i += 1
        else:
            found.append(("+", None, [(right[k], False)]))
            k += 1
    return found


def _common(a: Counter[str], b: Counter[str]) -> float:
    """Share of words that two lines have in common; a line without words is like any other without."""
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0


def _marked(left: str, right: str) -> tuple[list[Segment], list[Segment]]:
    a, b = _WORDS.findall(left), _WORDS.findall(right)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    one, other = list[Segment](), list[Segment]()
    for tag, i, j, k, n in matcher.get_opcodes():
        one += [("".join(a[i:j]), tag != "equal")] if j > i else []
        other += [("".join(b[k:n]), tag != "equal")] if n > k else []
    return one, other
