// Live page: one state, filled by server-sent events, and the panels that draw it.

import { forget } from "./colors.js";
import { Curves } from "./curves.js";
import { $, duration, el, number, text } from "./format.js";
import { Graph } from "./graph.js";
import { Matrix } from "./matrix.js";
import { Runs } from "./runs.js";
import { Tables } from "./tables.js";
import { Timeline } from "./timeline.js";
import { kind } from "./colors.js";

const MOST_TEAM = 8000;
const MOST_AGENTS = 1200;
const MOST_TIMING = 60;
const LARGE_EVERY = 250; // milliseconds
const UPDATE = 40; // milliseconds; with frames of a sixtieth of a second, twenty updates per second
const REST = 4; // drawing takes at most one part in five of the time
const HIDDEN = 20_000; // after which a hidden page hears no more; it begins again when it is seen

const empty = () => ({
  overview: null, count: 0, team: { i: [], return: [], sd: [], discounted: [], messages: [] }, agents: { i: [], v: [] }, timing: [], values: [], held: [], shown: [],
  links: [], kinds: {}, gone: [], events: [], processes: [], logs: [], matrix: null, state: "connecting", updates: 0, drawn: 0,
});
const state = { key: document.body.dataset.run, metric: "return", graphMetric: "power_held", agent: null, wantLogs: false, others: [], ...empty() };
window.netagents = state; // for tests, and for the curious

let source = null;
let matrixAsked = -Infinity;
let waitingMatrix = false;
const MATRIX_EVERY = 1000;
let dirty = new Set();

const get = async (path) => {
  const answer = await fetch(path);
  return answer.ok ? answer.json() : null;
};

const curves = new Curves(state, (metric, first, last) => get(`/api/runs/${state.key}/series?metric=${encodeURIComponent(metric)}&from=${first}&to=${last}&points=1500`));
const graph = new Graph(state, choose);
const matrix = new Matrix(state, loadMatrix);
const timeline = new Timeline(state);
const tables = new Tables(state, (wanted) => { if (wanted !== state.wantLogs) { state.wantLogs = wanted; connect(); } });
new Runs(state, open, compare);

async function open(key) {
  Object.assign(state, empty(), { key, agent: null });
  history.replaceState(null, "", `/?run=${key}`);
  $("log-role").replaceChildren(el("option", { value: "" }, "all"));
  matrix.stop();
  matrix.pinned = null;
  await start();
}

async function start() {
  if (!state.key) return;
  const overview = await get(`/api/runs/${state.key}`);
  if (!overview || overview.error) {
    alarm(overview?.error ?? "this run cannot be read");
    return;
  }
  state.overview = overview;
  text($("name"), overview.folder);
  document.title = `${overview.name} · netagents`;
  const { policy, critic, gradient } = overview.kappa;
  const kappa = policy === critic && critic === gradient ? policy : `policy ${policy}, critic ${critic}, gradient ${gradient}`;
  text($("about"), `${overview.environment} · ${overview.graph} · ${overview.n} agents · kappa ${kappa} · seed ${overview.seed}`);
  if (!(state.metric in overview.choices)) state.metric = Object.keys(overview.choices)[0];
  $("metric").replaceChildren(...Object.keys(overview.choices).map((name) => el("option", { value: name, selected: name === state.metric }, name.replaceAll("_", " "))));
  $("agent").replaceChildren(el("option", { value: "" }, "all"), ...overview.labels.map((label, index) => el("option", { value: String(index) }, label === String(index) ? label : `${index}: ${label}`)));
  for (const [id, table] of [["csv-returns", "returns"], ["csv-power", "power"], ["csv-metric", state.metric]]) $(id).href = `/api/runs/${state.key}/csv/${encodeURIComponent(table)}.csv`;
  tables.settings();
  curves.describe();
  connect();
}

// A new stream begins with the whole history, sampled, so a lost connection leaves no gap.
function connect() {
  if (source) source.close();
  source = null;
  if (!state.key) return;
  source = new EventSource(`/api/runs/${state.key}/news?metric=${encodeURIComponent(state.metric)}&logs=${state.wantLogs ? 1 : 0}`);
  const fresh = source;
  fresh.onmessage = (event) => { if (fresh === source) receive(JSON.parse(event.data)); };
  fresh.onerror = () => { if (fresh === source && state.state === "running") text($("state"), "connecting again"); };
}

function receive(news) {
  state.updates += 1;
  if (news.reset) {
    const { overview, state: life, matrix: shown } = state;
    Object.assign(state, empty(), { overview, state: life, matrix: shown });
  }
  if (news.state) {
    state.state = news.state;
    const pill = $("state");
    pill.dataset.state = news.state;
    text(pill, news.state);
    alarm(news.line && !["finished", "running"].includes(news.state) ? news.line : news.state === "running" ? news.line : "");
  }
  if (news.whole) Object.assign(state, { team: empty().team, agents: empty().agents, timing: [] });
  if (news.team) extend(state.team, news.team, MOST_TEAM);
  if (news.agents) extend(state.agents, news.agents, MOST_AGENTS);
  if (news.timing?.i.length) state.timing = [...state.timing, ...news.timing.i.map((i, at) => ({ i, s: news.timing.s[at] }))].slice(-MOST_TIMING);
  if (news.count !== undefined) {
    state.count = news.count;
    state.rate = news.rate ?? null;
    state.seconds = news.seconds;
    dirty.add("iterations");
  }
  if (news.headline) {
    Object.assign(state, { values: news.values, held: news.held, kinds: news.kinds });
    answers(news.headline);
    dirty.add("iterations").add("summary");
  }
  if (news.links) { state.links = news.links; dirty.add("summary"); }
  if (news.events) { state.events.push(...news.events); state.gone = news.gone; dirty.add("events"); }
  if (news.processes) { state.processes = news.processes; dirty.add("processes"); }
  if (news.logs) { state.logs = [...state.logs, ...news.logs].slice(-4000); dirty.add("logs"); }
  if (news.state) dirty.add("iterations");
  schedule();
}

// Appends columns; when there are too many points every other one goes, and the newest stay.
function extend(table, news, most) {
  for (const name of Object.keys(news)) table[name].push(...news[name]);
  if (table.i.length > most) for (const name of Object.keys(table)) table[name] = table[name].filter((_, at) => at % 2 === (table[name].length - 1) % 2);
}

let scheduled = false;
let drawn = -Infinity;
let rest = 0;
let drawnLarge = 0;
let sent = 0;
let waitingLarge = false;
function schedule() {
  if (scheduled) return;
  scheduled = true;
  const began = performance.now();
  // Hidden pages get no frames; they draw when they are seen.
  setTimeout(() => requestAnimationFrame(() => {
    scheduled = false;
    drawn = performance.now();
    draw();
    rest = Math.min(1000, Math.max(UPDATE, REST * (performance.now() - drawn)));
    state.drawn += 1;
  }), Math.max(0, drawn + rest - began));
}

function draw() {
  const changed = dirty;
  dirty = new Set();
  if (changed.has("iterations")) {
    showProgress();
    state.shown = shownValues();
    curves.draw();
    matrix.tick();
    chips();
    // What is large is drawn less often, and the last of it always.
    if (performance.now() - drawnLarge > LARGE_EVERY) {
      drawnLarge = performance.now();
      timeline.draw();
      tables.traffic((name) => graph.kindIndex(name));
    } else if (!waitingLarge) {
      waitingLarge = true;
      setTimeout(() => { waitingLarge = false; dirty.add("iterations"); schedule(); }, LARGE_EVERY);
    }
    if (state.count !== sent) {
      sent = state.count;
      graph.send();
    }
    if (changed.has("summary")) {
      graph.describe();
      graph.touch();
    }
    // The newest of it always, too: a page that opens at once, or a run that has just ended, asks again a little later.
    if (performance.now() - matrixAsked > MATRIX_EVERY) loadNewestMatrix();
    else if (!waitingMatrix) {
      waitingMatrix = true;
      setTimeout(() => { waitingMatrix = false; loadNewestMatrix(); }, MATRIX_EVERY);
    }
  }
  if (changed.has("events")) tables.events();
  if (changed.has("processes")) tables.processes();
  if (changed.has("logs")) tables.logs();
  if (changed.has("events")) graph.touch();
}

// What sizes and colours the agents: power held; where that is not known, or another metric is chosen, the metric.
function shownValues() {
  const pinned = matrix.pinned !== null && state.matrix?.iteration === matrix.pinned;
  const held = pinned ? state.matrix.held : state.held;
  if (state.metric === "return" && held.some((value) => value > 0)) {
    state.graphMetric = "power_held";
    return held;
  }
  state.graphMetric = state.metric;
  if (!pinned) return state.values;
  const at = state.agents.i.findLastIndex((iteration) => iteration <= matrix.pinned);
  return at < 0 ? [] : state.agents.v[at];
}

function loadNewestMatrix() {
  if (matrix.pinned === null) loadMatrix(null);
}

async function loadMatrix(iteration) {
  if (!state.count) return;
  matrixAsked = performance.now();
  const key = state.key;
  const loaded = await get(`/api/runs/${key}/matrix${iteration === null ? "" : `?iteration=${iteration}`}`);
  if (!loaded || key !== state.key || (matrix.pinned !== null && loaded.iteration !== matrix.pinned)) return;
  state.matrix = loaded;
  state.shown = shownValues();
  matrix.draw();
  matrix.tick();
  graph.describe();
  graph.touch();
}

function answers(list) {
  const cards = document.querySelectorAll("#answers .answer");
  list.forEach((answer, at) => {
    const [question, word, detail] = cards[at].children;
    cards[at].dataset.tone = answer.tone;
    text(question, answer.question);
    text(word, answer.answer);
    text(detail, answer.detail);
  });
}

function showProgress() {
  const planned = state.overview?.planned ?? 0;
  text($("done"), `${state.count} of ${planned} iterations`);
  $("bar").value = planned ? Math.min(1, state.count / planned) : 0;
  const left = state.state === "running" && state.rate ? `, ${duration((planned - state.count) / state.rate)} left` : "";
  const messages = state.team.messages[state.team.messages.length - 1];
  text($("speed"), state.count ? `${duration(state.seconds)} so far${state.rate ? `, ${number(state.rate, 3)} per second` : ""}${left}; ${number(messages, 4)} messages per iteration` : "");
}

function chips() {
  const names = Object.keys(state.kinds);
  const word = names.join();
  if ($("kinds").dataset.names !== word) {
    $("kinds").dataset.names = word;
    $("kinds").replaceChildren(...names.map((name) => {
      const dot = el("span", { className: "dot" });
      const button = el("button", { type: "button", "aria-pressed": String(!graph.muted.has(name)) }, dot, name.replaceAll("_", " "));
      button.addEventListener("click", () => {
        if (!graph.muted.delete(name)) graph.muted.add(name);
        button.setAttribute("aria-pressed", String(!graph.muted.has(name)));
        graph.touch();
      });
      return button;
    }));
  }
  [...$("kinds").children].forEach((button, at) => { button.firstChild.style.background = kind(graph.kindIndex(names[at])); });
}

function choose(index) {
  state.agent = index === state.agent ? null : index;
  $("agent").value = state.agent === null ? "" : String(state.agent);
  curves.draw();
  graph.touch();
}

async function compare(chosen) {
  state.others = [];
  for (const [key, name] of chosen) {
    const series = await get(`/api/runs/${key}/series?metric=team&points=2000`);
    if (series?.i) state.others.push({ ...series, name });
  }
  curves.draw();
}

function alarm(line) {
  $("alarm").hidden = !line;
  text($("alarm"), line ?? "");
}

$("metric").addEventListener("change", () => {
  state.metric = $("metric").value;
  $("csv-metric").href = `/api/runs/${state.key}/csv/${encodeURIComponent(state.metric)}.csv`;
  curves.describe();
  connect();
});
$("agent").addEventListener("change", () => { state.agent = $("agent").value === "" ? null : Number($("agent").value); curves.draw(); graph.touch(); });

function repaint() {
  forget();
  dirty.add("iterations").add("summary");
  matrix.draw();
  schedule();
}
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("netagents-theme", root.dataset.theme); } catch { /* private windows have none */ }
  repaint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
let leaving = null;
document.addEventListener("visibilitychange", () => {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(() => { if (source) source.close(); source = null; }, HIDDEN);
  else if (source === null) connect();
  else { dirty.add("iterations").add("summary"); schedule(); }
});
try { const kept = localStorage.getItem("netagents-theme"); if (kept) document.documentElement.dataset.theme = kept; } catch { /* the same */ }
start();
