"use strict";
// The page keeps nothing: every decision goes to the server before the next row is shown. All data is set as text, never as HTML.

const $ = (id) => document.getElementById(id);
const make = (tag, cls, text) => {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
};
const VERDICTS = { accept: "accepted", edit: "edited", reject: "rejected" };
const now = { state: null, row: null, since: 0, editing: false, settling: null, disputes: [], tried: null, busy: false, finished: false, checked: null };

// --- talking to the server -----------------------------------------------------------------------------------------------------

if (location.hash.length > 1) {
  sessionStorage.setItem("token", location.hash.slice(1));
  history.replaceState(null, "", "/");
}

async function ask(path, body) {
  const options = { headers: { Authorization: `Bearer ${sessionStorage.getItem("token") || ""}` }, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer, so nothing was saved. Start it again and open the link it prints.");
  }
  const value = await answer.json().catch(() => ({ error: `the server answered with status ${answer.status}` }));
  if (!answer.ok) throw new Error(value.error + (value.hint ? `\nhint: ${value.hint}` : ""));
  return value;
}

let fading;
function say(text, bad) {
  clearTimeout(fading);
  $("message").textContent = text;
  $("message").className = bad ? "message bad" : "message";
  $("message").hidden = !text;
  if (text && !bad) fading = setTimeout(() => say(""), 4000);
}

/** Runs one thing at a time and shows what goes wrong. */
async function doing(work) {
  if (now.busy) return;
  now.busy = true;
  try {
    await work();
  } catch (problem) {
    say(problem.message, true);
  } finally {
    now.busy = false;
  }
}

// --- around the row ------------------------------------------------------------------------------------------------------------

function showState(state) {
  now.state = state;
  const total = state.queue.length, counts = state.counts;
  const done = Object.values(counts).reduce((a, b) => a + b, 0);
  document.title = `${done}/${total} · Review`;
  $("title").textContent = `${state.title} · ${state.reviewer}`;
  $("bar").replaceChildren(...Object.keys(VERDICTS).map((v) => {
    const part = make("span", v);
    part.style.width = `${(100 * (counts[v] || 0)) / total}%`;
    return part;
  }));
  $("bar").setAttribute("aria-valuemax", total);
  $("bar").setAttribute("aria-valuenow", done);
  const parts = [`${done} of ${total} decided`, ...Object.entries(VERDICTS).filter(([v]) => counts[v]).map(([v, word]) => `${counts[v]} ${word}`)];
  if (state.pace && done < total) parts.push(`about ${duration(state.pace * (total - done))} left`);
  $("counts").textContent = parts.join(" · ");
  $("disputed").textContent = state.disputed;
  $("open-disputes").hidden = Object.keys(state.reviewers).length < 2;
}

function duration(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const placeOf = (row) => now.state.queue.findIndex((q) => q.row === row);

/** The next row without a decision, from the current one on and round the end. */
function openRow() {
  const queue = now.state.queue, start = now.row ? placeOf(now.row.row) + 1 : 0;
  for (let i = 0; i < queue.length; i++) {
    const one = queue[(start + i) % queue.length];
    if (!one.verdict) return one.row;
  }
  return null;
}

async function goOn() {
  const row = openRow();
  if (row) await show(row);
  else finish();
}

function finish() {
  stopEditing();
  now.finished = true;
  for (const id of ["accept", "edit", "reject"]) $(id).disabled = true;
  const { counts, title, reviewers } = now.state;
  $("work").hidden = true;
  $("finished").hidden = false;
  $("summary").textContent = Object.entries(VERDICTS).map(([v, word]) => `${counts[v] || 0} ${word}`).join(", ")
    + (Object.keys(reviewers).length > 1 ? `; ${now.state.disputed} disagreements to settle` : "") + ".";
  $("command").textContent = `nl2dsl review ${title} --export OUT.jsonl`;
}

async function show(row) {
  const found = await ask(`/api/row?row=${encodeURIComponent(row)}`);
  say("");
  now.row = found;
  now.since = performance.now();
  now.finished = false;
  stopEditing();
  $("finished").hidden = true;
  $("work").hidden = false;
  const d = found.decision, place = placeOf(row) + 1;
  const edited = d && d.verdict === "edit";
  $("place").textContent = `row ${place} of ${now.state.queue.length}`;
  $("facts").textContent = [found.id, ...found.facts].join(" · ");
  $("verdict").textContent = d ? VERDICTS[d.verdict] + (d.reason ? `: ${d.reason}` : "") : "";
  $("verdict").className = d ? `badge ${d.verdict}` : "";
  $("why").textContent = found.why ? `uncertainty ${found.uncertainty.toFixed(2)}: ${found.why}` : "";
  $("query").textContent = edited ? d.query : found.query;
  showText(edited ? d.dsl : found.dsl, edited ? d.look : found.look);
  showLook(edited ? d.look : found.look);
  for (const id of ["edit", "reject"]) $(id).disabled = false;
  $("accept").disabled = found.look.errors > 0;
  $("accept").title = found.look.errors ? "a flow with errors cannot be accepted: edit or reject it" : "";
  document.querySelectorAll("main > section").forEach((s) => (s.scrollTop = 0));
}

// --- the flow ------------------------------------------------------------------------------------------------------------------

const TOKENS = /(\/\/.*)|("(?:\\.|[^"\\])*"?|`(?:\\.|[^`\\])*`?)|(@@?\w+)|\b(await|if|else|for|of|switch|case|default|do|until|try|catch|finally|scope|parallel|let|opaque|raw|true|false|null)\b/g;

function coloured(line, node) {
  let last = 0;
  for (const found of line.matchAll(TOKENS)) {
    node.append(line.slice(last, found.index), make("span", found[1] || found[3] ? "note" : found[2] ? "string" : "word", found[0]));
    last = found.index + found[0].length;
  }
  node.append(line.slice(last));
}

function showText(text, look) {
  const marks = {};
  for (const f of look.findings) if (f.severity !== "info") marks[f.line] ??= f.severity;
  $("text").replaceChildren(...text.replace(/\n$/, "").split("\n").map((line, i) => {
    const item = make("li", marks[i + 1] || "");
    coloured(line, item);
    return item;
  }));
}

function showLook(look) {
  const wrong = new Set(look.findings.filter((f) => f.severity === "error").map((f) => f.line));
  $("cards").replaceChildren(...(look.cards.length ? look.cards.map((c) => card(c, wrong)) : [make("p", "nothing", "No flow can be read from the text.")]));
  const shown = look.findings.filter((f) => f.severity !== "info").map((f) => {
    const box = make("div", `finding ${f.severity}`);
    box.append(...printed(f.text));
    return box;
  });
  const infos = look.findings.filter((f) => f.severity === "info" && f.code !== "M601"); // missing values stand on their cards
  if (infos.length) {
    const more = make("details", "infos");
    more.append(make("summary", "", `${infos.length} ${infos.length === 1 ? "note" : "notes"}`));
    for (const f of infos) more.append(make("div", "", `line ${f.line}: ${f.message}`));
    shown.push(more);
  }
  $("findings").replaceChildren(...shown);
  for (const frame of document.querySelectorAll(".frame")) frame.scrollLeft = Math.max(0, frame.dataset.caret - 30) * 7.5;
}

/** A finding as the command line prints it: words wrap, the line of the flow and its carets scroll together. */
function printed(text) {
  const parts = [];
  let frame = null;
  for (const line of text.split("\n")) {
    if (!/^ *\d* [|+-](?:$| )/.test(line)) {
      frame = null;
      if (!/^ *-->/.test(line)) parts.push(make("div", "", line.replace(/^ *= /, "")));
      continue;
    }
    if (!frame) {
      frame = make("pre", "frame", "");
      frame.dataset.caret = 0;
      parts.push(frame);
    }
    if (line.includes("^")) frame.dataset.caret = line.indexOf("^");
    if (!/^ *\|$/.test(line)) frame.append(`${line}\n`);
  }
  return parts;
}

function card(c, wrong) {
  const node = make("div", `card ${c.kind}${wrong.has(c.line) ? " error" : ""}`);
  const head = make("div", "head");
  if (c.kind === "trigger") head.append(make("span", "when", "starts with"));
  if (c.service) head.append(make("span", "service", c.service));
  if (c.title) head.append(make("span", "title", c.title));
  if (!c.title && c.code) head.append(make("span", "title", ""));
  if (c.code && c.kind !== "if" && c.kind !== "until") head.append(make("span", "exact", c.code));
  if (c.operation) head.append(make("span", "id", c.operation));
  node.append(head);
  if (c.text) node.append(make("div", "", c.text));
  if (c.code && (c.kind === "if" || c.kind === "until")) node.append(make("div", "exact soft", c.code));
  if (c.comment) node.append(make("p", "comment", c.comment));
  if (c.values && c.values.length) {
    const list = make("dl");
    for (const v of c.values) {
      const name = make("dt", "", v.label);
      name.title = v.key;
      list.append(name, make("dd", v.code ? "computed" : "", v.text));
    }
    node.append(list);
  }
  if (c.missing && c.missing.length) node.append(make("div", "missing", `still to be given: ${c.missing.join(", ")}`));
  if (c.settings && c.settings.length) node.append(make("div", "settings", c.settings.join(" ")));
  for (const b of c.blocks || []) {
    const block = make("div", "block");
    if (b.label) block.append(make("div", "label", b.label));
    block.append(...(b.steps.length ? b.steps.map((s) => card(s, wrong)) : [make("div", "nothing", "nothing")]));
    node.append(block);
  }
  return node;
}

// --- deciding ------------------------------------------------------------------------------------------------------------------

async function decide(verdict, more = {}) {
  const body = { row: now.row.row, verdict, final: now.settling !== null, ...more };
  const said = JSON.stringify(body);
  if (!now.tried || now.tried.said !== said) now.tried = { said, key: crypto.randomUUID() }; // sent again after a failure, it is still one decision
  const state = await ask("/api/decide", { ...body, seconds: (performance.now() - now.since) / 1000, key: now.tried.key });
  now.tried = null;
  say("");
  showState(state);
  if (now.settling) await settledOne();
  else await goOn();
}

async function undo() {
  const state = await ask("/api/undo", {});
  showState(state);
  leaveSettling();
  await show(state.undone.row);
  say(`taken back: ${VERDICTS[state.undone.verdict]}${state.undone.final ? " (which settled a disagreement)" : ""}`);
}

function startEditing(from) {
  const d = now.row.decision;
  const base = from || (d && d.verdict === "edit" ? d : now.row);
  now.editing = true;
  $("edit-query").value = base.query;
  $("edit-flow").value = base.dsl;
  $("edit-flow").rows = Math.min(18, Math.max(8, base.dsl.split("\n").length + 1));
  for (const id of ["edit-query", "edit-flow", "editing"]) $(id).hidden = false;
  for (const id of ["query", "text", "deciding"]) $(id).hidden = true;
  document.body.classList.add("typing");
  $("edit-query").focus();
  $("edit-query").setSelectionRange(base.query.length, base.query.length);
  checkSoon(0);
}

function stopEditing() {
  now.editing = false;
  clearTimeout(waiting);
  for (const id of ["edit-query", "edit-flow", "editing"]) $(id).hidden = true;
  for (const id of ["query", "text", "deciding"]) $(id).hidden = false;
  document.body.classList.remove("typing");
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

let waiting;
function checkSoon(delay = 180) {
  clearTimeout(waiting);
  now.checked = null;
  $("checked").textContent = "checking …";
  waiting = setTimeout(check, delay);
}

async function check() {
  const dsl = $("edit-flow").value;
  let look;
  try {
    look = await ask("/api/check", { dsl });
  } catch (problem) {
    $("checked").textContent = problem.message;
    return;
  }
  if (!now.editing || $("edit-flow").value !== dsl) return; // typed on meanwhile
  now.checked = { dsl, errors: look.errors };
  showLook(look);
  $("save").disabled = look.errors > 0;
  $("checked").textContent = look.errors ? `${look.errors} ${look.errors === 1 ? "error" : "errors"}: it cannot be saved yet` : "the flow is right";
}

async function save() {
  if (!now.checked || now.checked.dsl !== $("edit-flow").value) await check();
  if (now.checked && now.checked.errors) throw new Error("A flow with errors cannot be saved: mend it, or cancel (Esc) and reject it.");
  await decide("edit", { query: $("edit-query").value, dsl: $("edit-flow").value });
}

function cancel() {
  const row = now.row.row;
  doing(() => show(row));
}

function reject() {
  $("reasons").replaceChildren(...now.state.reasons.map((reason, i) => {
    const button = make("button");
    button.type = "button";
    button.append(make("kbd", "", String(i + 1)), reason);
    button.addEventListener("click", () => rejectFor(reason));
    return button;
  }));
  $("reason").value = "";
  $("rejecting").showModal();
  $("reason").focus();
}

function rejectFor(reason) {
  $("rejecting").close();
  doing(() => decide("reject", { reason }));
}

$("rejecting").addEventListener("keydown", (event) => {
  const own = $("reason").value.trim();
  if (!own && /^[1-9]$/.test(event.key) && now.state.reasons[event.key - 1]) {
    event.preventDefault();
    rejectFor(now.state.reasons[event.key - 1]);
  } else if (event.key === "Enter" && event.target === $("reason")) {
    event.preventDefault();
    if (own) rejectFor(own);
  }
});

// --- several reviewers ---------------------------------------------------------------------------------------------------------

function row(tag, cells) {
  const line = make("tr");
  line.append(...cells.map((c) => make(tag, "", c)));
  return line;
}

async function agreement() {
  showState(await ask("/api/state"));
  const { reviewers, agreement, queue } = now.state, body = $("agreement-body");
  const who = make("table");
  who.append(row("th", ["reviewer", "decided"]), ...Object.entries(reviewers).map(([name, n]) => row("td", [name, `${n} of ${queue.length}`])));
  body.replaceChildren(who);
  if (agreement.length) {
    const pairs = make("table");
    pairs.append(row("th", ["pair", "rows of both", "agree", "Cohen's κ", "95 % interval"]), ...agreement.map((a) => row("td", [
      a.reviewers.join(" – "), String(a.n), `${Math.round(100 * a.observed)} %`,
      a.value === null ? "not defined" : a.value.toFixed(2), a.value === null ? "all decisions are the same" : `${a.low.toFixed(2)} to ${a.high.toFixed(2)}`,
    ])));
    body.append(pairs);
  } else {
    body.append(make("p", "soft", "No row was decided by two reviewers yet. Another one starts: nl2dsl review … --reviewer NAME, with the same database."));
  }
  $("agreement").showModal();
}

const told = (d) => `${d.reviewer}: ${VERDICTS[d.verdict]}${d.reason ? ` (${d.reason})` : ""}`;

async function disputes() {
  now.disputes = await ask("/api/disagreements");
  showState(await ask("/api/state"));
  $("disputes-body").replaceChildren(...(now.disputes.length ? now.disputes.map((one, i) => {
    const box = make("button", "dispute");
    box.type = "button";
    const head = make("div", "query");
    if (i < 9) head.append(make("kbd", "", String(i + 1)), " ");
    head.append(one.query);
    box.append(head, make("div", "what", one.by.map(told).join(" · ")));
    box.addEventListener("click", () => settle(i));
    return box;
  }) : [make("p", "soft", "There is none: where two decided a row, they agree, or it was settled.")]));
  $("disputes").showModal();
}

function settle(place) {
  $("disputes").close();
  doing(() => openDispute(now.disputes[place]));
}

/** What the reviewer decides here is final for the row. */
async function openDispute(one) {
  now.settling = one;
  await show(one.row);
  const banner = $("settling");
  banner.replaceChildren(make("strong", "", "What you decide now settles this row. "));
  const leave = make("button", "", "back to my rows (Esc)");
  leave.type = "button";
  leave.addEventListener("click", () => doing(leave_));
  banner.append(leave);
  one.by.forEach((d, i) => {
    const line = make("div", "", told(d));
    if (d.verdict === "edit") {
      const use = make("button", "");
      use.type = "button";
      use.append(`open ${d.reviewer}'s edit `, make("kbd", "", String(i + 1)));
      use.addEventListener("click", () => startEditing(d));
      line.append(use);
    }
    banner.append(line);
  });
  banner.hidden = false;
}

function leaveSettling() {
  now.settling = null;
  $("settling").hidden = true;
}

async function leave_() {
  leaveSettling();
  await goOn();
}

async function settledOne() {
  now.disputes = now.disputes.filter((d) => d.row !== now.settling.row);
  leaveSettling();
  if (now.disputes.length) await openDispute(now.disputes[0]);
  else {
    await goOn();
    say("no disagreement is left");
  }
}

// --- keys ----------------------------------------------------------------------------------------------------------------------

async function step(by) {
  const queue = now.state.queue;
  const at = now.row ? placeOf(now.row.row) : 0;
  leaveSettling();
  await show(queue[now.finished ? at : Math.min(queue.length - 1, Math.max(0, at + by))].row);
}

function theme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

const here = () => now.row && !now.finished;
const ACTIONS = {
  a: () => here() && doing(() => decide("accept")),
  e: () => here() && startEditing(),
  r: () => here() && reject(),
  u: () => doing(undo),
  j: () => doing(() => step(1)),
  k: () => doing(() => step(-1)),
  n: () => doing(goOn),
  d: () => doing(disputes),
  g: () => doing(agreement),
  t: theme,
  "?": () => $("help").showModal(),
};
ACTIONS.ArrowRight = ACTIONS.j;
ACTIONS.ArrowLeft = ACTIONS.k;

document.addEventListener("keydown", (event) => {
  if (!now.state || event.isComposing) return;
  if ($("disputes").open && /^[1-9]$/.test(event.key) && now.disputes[event.key - 1]) {
    event.preventDefault();
    settle(event.key - 1);
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (now.editing) {
    if (event.key === "Escape") cancel();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      doing(save);
    }
    return;
  }
  if (event.ctrlKey && event.key === "z") {
    event.preventDefault();
    ACTIONS.u();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (now.settling && event.key === "Escape") doing(leave_);
  else if (now.settling && /^[1-9]$/.test(event.key) && now.settling.by[event.key - 1]?.verdict === "edit") {
    event.preventDefault();
    startEditing(now.settling.by[event.key - 1]);
  } else if (Object.hasOwn(ACTIONS, event.key)) {
    event.preventDefault();
    ACTIONS[event.key]();
  }
});

const BUTTONS = { accept: "a", edit: "e", reject: "r", undo: "u", before: "k", after: "j", next: "n", again: "k", theme: "t", "open-disputes": "d", "open-agreement": "g", "open-help": "?" };
for (const [id, key] of Object.entries(BUTTONS)) $(id).addEventListener("click", () => ACTIONS[key]());
$("save").addEventListener("click", () => doing(save));
$("cancel").addEventListener("click", cancel);
$("edit-flow").addEventListener("input", () => checkSoon());

const kept = localStorage.getItem("theme");
if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
doing(async () => {
  showState(await ask("/api/state"));
  await goOn();
});
