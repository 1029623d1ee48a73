// The answers of an evaluation: search, filters, one answer at a time. All text comes from the JSON block and is set as text, never as markup.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const state = { run: 0, shown: [], at: -1 };

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return element;
}

// --- theme, slices -----------------------------------------------------------------------------------------------------------

$("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});
if ($("sliced")) $("sliced").addEventListener("change", () => {
  for (const table of document.querySelectorAll("[data-sliced]")) table.hidden = table.dataset.sliced !== $("sliced").value;
});

// --- which answers -----------------------------------------------------------------------------------------------------------

function right(answer) { return answer && answer.mistakes.length === 0; }

const verdicts = {
  wrong: (row) => row.answers[state.run] && !right(row.answers[state.run]),
  steps: (row) => row.answers[state.run] && row.answers[state.run].exact === false,
  right: (row) => right(row.answers[state.run]),
  all: (row) => Boolean(row.answers[state.run]),
  differ: (row) => row.answers.some((a) => a && right(a)) && row.answers.some((a) => a && !right(a)),
  worst: (row) => row.answers.every((a) => !a || !right(a)),
};

function matches(row, words, kind, slice, code) {
  const answer = row.answers[state.run];
  if (kind && !(answer && answer.mistakes.some((m) => m[0] === kind))) return false;
  if (code && !(answer && answer.codes.some((c) => c[0] === code))) return false;
  if (slice !== "" && !data.slices[slice].rows.includes(row.place)) return false;
  if (!words.length) return true;
  const text = [row.id, row.query, row.gold, answer ? answer.text : ""].join("\n").toLowerCase();
  return words.every((w) => text.includes(w));
}

function value(row) {
  const answer = row.answers[state.run];
  if (!answer) return 2;
  return answer.similarity === null ? (right(answer) ? 1 : 0) : answer.similarity;
}

const orders = {
  worst: (a, b) => value(a) - value(b) || a.place - b.place,
  best: (a, b) => value(b) - value(a) || a.place - b.place,
  file: (a, b) => a.place - b.place,
  slow: (a, b) => ((b.answers[state.run] || {}).seconds || 0) - ((a.answers[state.run] || {}).seconds || 0),
};

function filter(keep) {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [verdict, kind, slice, code] = ["verdict", "kind", "slice", "code"].map((id) => $(id).value);
  const before = keep && state.shown[state.at];
  state.shown = data.rows.filter((row) => verdicts[verdict](row) && matches(row, words, kind, slice, code)).sort(orders[$("order").value]);
  $("count").textContent = `${state.shown.length} of ${data.rows.length} requests`;
  const list = $("list");
  list.replaceChildren(...state.shown.map(item));
  select(before ? Math.max(0, state.shown.indexOf(before)) : 0);
}

function item(row, i) {
  const answer = row.answers[state.run];
  const score = !answer || answer.similarity === null ? (right(answer) ? "✓" : "✗") : answer.similarity.toFixed(2);
  const kind = right(answer) ? "good" : "bad";
  const element = make("li", { role: "option", id: `row${i}`, "aria-selected": "false" }, make("span", { class: `score ${kind}` }, score), make("span", { class: "text" }, row.query));
  element.addEventListener("click", () => { select(i); $("list").focus({ preventScroll: true }); });
  return element;
}

function select(i) {
  const list = $("list");
  if (list.children[state.at]) list.children[state.at].setAttribute("aria-selected", "false");
  state.at = state.shown.length ? Math.max(0, Math.min(i, state.shown.length - 1)) : -1;
  if (state.at < 0) {
    list.removeAttribute("aria-activedescendant");
    $("detail").replaceChildren(make("p", { class: "soft" }, "Nothing fits. Take a filter away."));
    return;
  }
  const chosen = list.children[state.at];
  chosen.setAttribute("aria-selected", "true");
  list.setAttribute("aria-activedescendant", chosen.id);
  const top = chosen.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + chosen.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + chosen.offsetHeight - list.clientHeight;
  show(state.shown[state.at]);
}

// --- one answer --------------------------------------------------------------------------------------------------------------

function show(row) {
  const parts = [make("blockquote", {}, row.query), make("div", { class: "chips" }, ...[row.id, ...row.facets].map((f) => make("span", { class: "chip" }, f)))];
  if (data.runs.length > 1) parts.push(make("div", { class: "tabs", role: "group", "aria-label": "run" }, ...data.runs.map((label, i) => tab(row, label, i))));
  const answer = row.answers[state.run];
  parts.push(...(answer ? details(row, answer) : [make("p", { class: "soft" }, "This run has no answer to this request.")]));
  $("detail").replaceChildren(...parts);
  $("detail").scrollTop = 0;
}

function tab(row, label, i) {
  const mark = row.answers[i] ? (right(row.answers[i]) ? " ✓" : " ✗") : " –";
  const button = make("button", { type: "button", "aria-pressed": String(i === state.run) }, make("span", { class: `swatch c${i % 6}` }), label + mark);
  button.addEventListener("click", () => choose(i));
  return button;
}

function choose(i) {
  if (i < 0 || i >= data.runs.length) return;
  state.run = i;
  $("run").value = String(i);
  filter(true);
}

function details(row, answer) {
  const parts = [make("div", { class: "chips" }, ...answer.chips.map(([text, kind]) => make("span", { class: `chip ${kind}` }, text)))];
  if (answer.mistakes.length) parts.push(make("h3", {}, "What is wrong"), make("ul", {}, ...answer.mistakes.map(mistake)));
  if (answer.diff.length) parts.push(make("h3", {}, { flow: "Flow", operations: "Operations", refusal: "Answer" }[row.gives]), diff(answer.diff, "right", "written"));
  if (row.others.length) parts.push(make("p", { class: "soft" }, "Right as well: " + row.others.join("; ")));
  if (answer.effects.length) parts.push(make("h3", {}, "What it does when it runs"), diff(answer.effects, "right", "written"));
  if (row.gives === "operations" && answer.text) parts.push(make("h3", {}, "The flow as it was written"), make("pre", {}, answer.text));
  if (answer.codes.length) parts.push(make("h3", {}, "Diagnostics"), make("ul", {}, ...answer.codes.map(([code, severity, message]) => make("li", {}, `${severity} ${code}: ${message}`))));
  return parts;
}

function mistake([kind, wanted, made]) {
  const what = wanted && made ? `: ${wanted} was wanted, ${made} stands there` : wanted ? `: ${wanted}` : made ? `: ${made}` : "";
  return make("li", { title: data.kinds[kind] || "" }, make("strong", {}, kind), what);
}

function diff(lines, left, right) {
  const body = lines.map(([tag, a, b]) => make("tr", {}, side(a, tag === " " ? "" : "del"), side(b, tag === " " ? "" : "ins")));
  return make("table", { class: "diff" }, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, left), make("th", { scope: "col" }, right))), make("tbody", {}, ...body));
}

function side(segments, kind) {
  if (segments === null) return make("td", {});
  return make("td", { class: kind }, ...segments.map(([text, changed]) => (changed ? make("mark", {}, text) : text)));
}

// --- controls ----------------------------------------------------------------------------------------------------------------

function options(id, entries) { $(id).append(...entries.map(([v, label]) => make("option", { value: v }, label))); }

data.rows.forEach((row, i) => { row.place = i; });
options("run", data.runs.map((label, i) => [String(i), label]));
options("kind", Object.keys(data.kinds).map((k) => [k, k]));
options("slice", data.slices.map((s, i) => [String(i), `${s.group}: ${s.name}`]));
options("code", data.codes.map(([code, what]) => [code, `${code} ${what}`]));
for (const id of ["verdict", "kind", "slice", "code", "order"]) $(id).addEventListener("change", () => filter(true));
$("run").addEventListener("change", () => choose(Number($("run").value)));
$("search").addEventListener("input", () => filter(true));
for (const link of document.querySelectorAll("[data-kind]")) link.addEventListener("click", () => {
  state.run = Number(link.dataset.run || state.run);
  $("run").value = String(state.run);
  $("verdict").value = "all";
  $("kind").value = link.dataset.kind;
  filter(false);
  $("answers").scrollIntoView();
  $("list").focus({ preventScroll: true });
});

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target === $("search")) { $("search").value = ""; filter(true); $("list").focus(); }
  if (event.key === "Enter" && event.target === $("search")) $("list").focus();
  if (typing) return;
  const inList = event.target === $("list");
  const moves = { j: 1, k: -1, ...(inList ? { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 } : {}) };
  if (event.key in moves) { select(state.at + moves[event.key]); event.preventDefault(); }
  else if (event.key === "/") { $("answers").scrollIntoView(); $("search").focus(); event.preventDefault(); }
  else if (event.key === "[") choose(state.run - 1);
  else if (event.key === "]") choose(state.run + 1);
});
state.run = data.runs.length - 1;
$("run").value = String(state.run);
filter(false);
