// Curves: the team's return, several runs over one another, and one metric of every agent.

import { Chart, derived, smoothed } from "./chart.js";
import { agent, color, kind, translucent } from "./colors.js";
import { $, text } from "./format.js";

const MOST_LINES = 24;

export class Curves {
  constructor(state, fetchSeries) {
    this.state = state;
    this.fetch = fetchSeries;
    this.detail = { team: null, agents: null };
    this.team = new Chart($("returns"), (range) => this.zoom("team", range));
    this.agents = new Chart($("agents"), (range) => this.zoom("agents", range));
    $("smooth").addEventListener("input", () => this.draw());
    $("log").addEventListener("change", () => { this.team.log = this.agents.log = $("log").checked; this.draw(); });
    $("zoom-out").addEventListener("click", () => { this.team.reset(); this.agents.reset(); });
  }

  // A zoomed range is fetched again with more points.
  async zoom(which, range) {
    this.detail[which] = null;
    if (range) {
      const metric = which === "team" ? "team" : this.state.metric;
      const fine = await this.fetch(metric, Math.floor(range[0]), Math.ceil(range[1]));
      if (fine && fine.i.length > 1) this.detail[which] = { ...fine, metric };
    }
    this.draw();
  }

  draw() {
    this.drawTeam();
    this.drawAgents();
  }

  drawTeam() {
    const { state } = this;
    const team = this.detail.team ? merged(state.team, this.detail.team, ["return", "sd", "discounted"]) : state.team;
    if (!team.i.length) return;
    const weight = Number($("smooth").value);
    const others = state.others.filter((other) => other.i.length);
    const log = this.team.log;
    const positive = (values) => (log ? derived(values, "positive", (value) => (value > 0 ? value : null)) : values);
    if (others.length) {
      const tables = [{ i: team.i, return: team.return, name: state.overview?.folder ?? "this run" }, ...others];
      const data = window.uPlot.join(tables.map((table) => [table.i, positive(smoothed(table.return, weight))]));
      this.team.show(tables.map((table, index) => ({ label: short(table.name), stroke: kind(index), width: 2, spanGaps: true })), data);
      return;
    }
    const smooth = smoothed(team.return, weight);
    const low = derived(team.return, "low", (value, at) => (value === null ? null : value - (team.sd[at] ?? 0)));
    const high = derived(team.return, "high", (value, at) => (value === null ? null : value + (team.sd[at] ?? 0)));
    const main = color("main");
    const series = [
      { label: "return", stroke: translucent(main, weight > 0 ? 0.45 : 1), width: 1 },
      { label: "smoothed", stroke: main, width: 2.5 },
      { label: "+ sd", stroke: "transparent", width: 0, class: "unlisted" },
      { label: "− sd", stroke: "transparent", width: 0, class: "unlisted" },
    ];
    const lines = [];
    const { untrained, best } = state.overview ?? {};
    if (untrained !== null && untrained !== undefined) lines.push({ value: untrained, label: "untrained" });
    if (best !== null && best !== undefined) lines.push({ value: best, label: "best possible" });
    this.team.show(series, [team.i, positive(team.return), positive(smooth), positive(high), positive(low)], [{ series: [3, 4], fill: translucent(main, 0.14) }], lines);
  }

  drawAgents() {
    const { state } = this;
    const detail = this.detail.agents?.metric === state.metric ? this.detail.agents : null;
    const table = detail ?? state.agents;
    const n = state.overview?.n ?? 0;
    if (!table.i.length || !n) return;
    const weight = Number($("smooth").value);
    const log = this.agents.log;
    const column = (index) => smoothed(derived(table.v, `${log} ${index}`, (line) => (log && !(line[index] > 0) ? null : line[index])), weight);
    const chosen = state.agent;
    if (n <= MOST_LINES) {
      const series = state.overview.labels.map((label, index) => ({
        label: short(label), stroke: chosen === null || chosen === index ? agent(index, n) : translucent(agent(index, n), 0.25), width: chosen === index ? 3 : 1.5, spanGaps: true,
      }));
      this.agents.show(series, [table.i, ...series.map((_, index) => column(index))]);
      return;
    }
    const spread = derived(table.v, `${log} quantiles`, (line) => quantiles(line.filter((value) => value !== null && !(log && value <= 0))));
    const of = (at) => smoothed(derived(spread, at, (line) => line[at]), weight);
    const main = color("main");
    const series = [
      { label: "largest", stroke: translucent(main, 0.35), width: 1 }, { label: "90 %", stroke: "transparent", width: 0 }, { label: "median", stroke: main, width: 2.5 },
      { label: "10 %", stroke: "transparent", width: 0 }, { label: "smallest", stroke: translucent(main, 0.35), width: 1 },
    ];
    const data = [table.i, of(0), of(1), of(2), of(3), of(4)];
    if (chosen !== null) {
      series.push({ label: short(state.overview.labels[chosen]), stroke: color("accent"), width: 2.5 });
      data.push(column(chosen));
    }
    this.agents.show(series, data, [{ series: [2, 4], fill: translucent(main, 0.2) }]);
  }

  describe() {
    const meaning = this.state.overview?.choices[this.state.metric] ?? "";
    const many = (this.state.overview?.n ?? 0) > MOST_LINES ? "; the band holds eight of ten agents, choose one to see it" : "";
    text($("metric-line"), meaning + many);
  }
}

const short = (label) => (label.length > 26 ? `${label.slice(0, 24)}…` : label);

function quantiles(values) {
  if (!values.length) return [null, null, null, null, null];
  const ascending = Float64Array.from(values).sort();
  const at = (share) => ascending[Math.round(share * (ascending.length - 1))];
  return [at(1), at(0.9), at(0.5), at(0.1), at(0)];
}

// The coarse curve outside a range, the fine one inside.
function merged(coarse, fine, names) {
  const [first, last] = [fine.i[0], fine.i[fine.i.length - 1]];
  const result = { i: [], ...Object.fromEntries(names.map((name) => [name, []])) };
  const take = (table, keep) => table.i.forEach((iteration, at) => {
    if (!keep(iteration)) return;
    result.i.push(iteration);
    for (const name of names) result[name].push(table[name][at]);
  });
  take(coarse, (iteration) => iteration < first);
  take(fine, () => true);
  take(coarse, (iteration) => iteration > last);
  return result;
}
