// Chart: a uPlot that follows the theme, its container, and new data.

import { color } from "./colors.js";
import { number } from "./format.js";

export class Chart {
  // element: container.  zoomed: called with [first, last], or null when all is shown again.
  constructor(element, zoomed = () => {}) {
    this.element = element;
    this.zoomed = zoomed;
    this.plot = null;
    this.shape = "";
    this.log = false;
    this.range = null;
    this.data = [[]];
    new ResizeObserver(() => this.resize()).observe(element);
  }

  // series: uPlot's, without the first; bands: uPlot's; lines: [{value, label}] across the chart.
  show(series, data, bands = [], lines = []) {
    const shape = JSON.stringify([series.map((each) => [each.label, each.stroke, each.width, each.show]), bands.length, this.log, color("card")]);
    this.data = data;
    this.lines = lines;
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(series, bands);
    } else this.draw();
  }

  draw() {
    if (!this.plot) return;
    this.plot.setData(this.data, !this.range);
  }

  size() {
    const legend = this.element.querySelector(".u-legend");
    return { width: Math.max(200, this.element.clientWidth), height: Math.max(120, this.element.clientHeight - (legend ? Math.min(legend.offsetHeight, 90) : 26) - 2) };
  }

  resize() {
    if (this.plot) this.plot.setSize(this.size());
  }

  reset() {
    this.range = null;
    this.zoomed(null);
    if (this.plot) this.plot.setData(this.data, true);
  }

  build(series, bands) {
    if (this.plot) this.plot.destroy();
    const axis = { stroke: color("quiet"), grid: { stroke: color("faint"), width: 1 }, ticks: { stroke: color("faint"), width: 1 }, font: "12px system-ui, sans-serif" };
    const chart = this;
    const options = {
      ...this.size(),
      scales: { x: { time: false }, y: this.log ? { distr: 3 } : {} },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : "")) }, { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : number(tick, 3))) }],
      series: [{ label: "iteration", value: (_, value) => (value === null || value === undefined ? "–" : String(value)) }, ...series.map((each) => ({ value: (_, value) => number(value), ...each, points: { show: false } }))],
      bands,
      cursor: { drag: { x: true, y: false }, focus: { prox: 24 } },
      legend: { live: true },
      hooks: {
        setSelect: [(plot) => {
          if (plot.select.width < 4) return;
          chart.range = [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")];
          chart.zoomed(chart.range);
        }],
        draw: [(plot) => chart.across(plot)],
      },
    };
    this.plot = new window.uPlot(options, this.data, this.element);
    this.plot.over.addEventListener("dblclick", () => this.reset());
    if (this.range) this.plot.setScale("x", { min: this.range[0], max: this.range[1] });
    requestAnimationFrame(() => this.resize());
  }

  // Dashed lines with a label, such as what untrained policies return.
  across(plot) {
    const { ctx, bbox } = plot;
    for (const line of this.lines || []) {
      const y = plot.valToPos(line.value, "y", true);
      if (!(y > bbox.top && y < bbox.top + bbox.height)) continue;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = color("quiet");
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.fillText(line.label, bbox.left + bbox.width - 4, y - 4 * devicePixelRatio);
      ctx.restore();
    }
  }
}

// Exponential smoothing with the bias of its beginning taken out; what is unknown stays unknown.  An array that has grown is smoothed from
// where it was left, so an update costs as much as what is new.
const begun = new WeakMap();
export function smoothed(values, weight) {
  if (weight <= 0) return values;
  let kept = begun.get(values);
  if (!kept || kept.weight !== weight || kept.result.length > values.length) begun.set(values, kept = { weight, sum: 0, mass: 0, result: [] });
  for (let at = kept.result.length; at < values.length; at += 1) {
    const value = values[at];
    if (value === null || value === undefined) {
      kept.result.push(null);
      continue;
    }
    kept.sum = kept.sum * weight + value * (1 - weight);
    kept.mass = kept.mass * weight + (1 - weight);
    kept.result.push(kept.sum / kept.mass);
  }
  return kept.result;
}

// Something of each entry of an array that grows, computed once per entry; `make` is the same for a name.
const made = new WeakMap();
export function derived(values, name, make) {
  let kept = made.get(values);
  if (!kept) made.set(values, kept = new Map());
  let result = kept.get(name);
  if (!result || result.length > values.length) kept.set(name, result = []);
  for (let at = result.length; at < values.length; at += 1) result.push(make(values[at], at));
  return result;
}
