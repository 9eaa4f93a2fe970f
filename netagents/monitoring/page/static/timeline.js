// Timeline: where the time of each agent goes in the newest iterations; widths are seconds.

import { color } from "./colors.js";
import { $, duration, text } from "./format.js";

const PARTS = ["compute", "wait", "serialise"];
const COLORS = ["main", "faint", "accent"];

export class Timeline {
  constructor(state) {
    this.state = state;
    this.canvas = $("timeline");
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.canvas.addEventListener("mousemove", (event) => this.hover(event));
  }

  draw() {
    const { canvas, state } = this;
    const n = state.overview?.n ?? 0;
    const rows = state.timing;
    if (!n || !rows.length) return;
    const pitch = Math.max(4, Math.min(20, 420 / n));
    const height = Math.round(n * pitch + 22);
    if (canvas.style.height !== `${height}px`) canvas.style.height = `${height}px`;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const left = 30;
    const spans = rows.map(({ s }) => Math.max(...s[0].map((_, agent) => (s[0][agent] ?? 0) + (s[1][agent] ?? 0) + (s[2][agent] ?? 0))));
    const whole = spans.reduce((sum, span) => sum + span, 0);
    if (!(whole > 0)) {
      text($("timeline-line"), "this launcher does not measure times: all agents share one process");
      canvas.style.height = "0px";
      return;
    }
    const unit = (width - left - 4) / whole;
    const colors = COLORS.map(color);
    let x = left;
    this.columns = [];
    context.font = "11px system-ui, sans-serif";
    rows.forEach(({ i, s }, at) => {
      const span = spans[at] * unit;
      this.columns.push([x, span, at]);
      const gap = span > 6 ? 1 : 0;
      for (let agent = 0; agent < n; agent += 1) {
        let from = x;
        for (const part of [0, 2, 1]) {
          const long = (s[part][agent] ?? 0) * unit;
          context.fillStyle = colors[part];
          context.fillRect(from, agent * pitch, Math.max(0, long - (part === 1 ? gap : 0)), pitch - (pitch > 6 ? 2 : 0.5));
          from += long;
        }
      }
      x += span;
      if (at === 0 || at === rows.length - 1) {
        context.fillStyle = color("quiet");
        context.textAlign = at === 0 ? "left" : "right";
        context.fillText(`iteration ${i}`, at === 0 ? left : width - 4, height - 6);
      }
    });
    context.fillStyle = color("quiet");
    context.textAlign = "right";
    const every = Math.ceil(12 / pitch);
    for (let agent = 0; agent < n; agent += every) context.fillText(String(agent), left - 6, agent * pitch + Math.min(pitch, 12) - 1);
    Object.assign(this, { pitch, left });
    text($("timeline-line"), `${rows.length} of the newest iterations, ${duration(whole)}; one row per agent`);
  }

  hover(event) {
    if (!this.columns) return;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const column = this.columns.find(([from, span]) => x >= from && x < from + span);
    const agent = Math.floor(y / this.pitch);
    if (!column || agent < 0 || agent >= this.state.overview.n) return;
    const { i, s } = this.state.timing[column[2]] ?? {};
    if (s) text($("timeline-hover"), `iteration ${i}, agent ${this.state.overview.labels[agent]}: ${PARTS.map((part, at) => `${part} ${duration(s[at][agent] ?? 0)}`).join(", ")}`);
  }
}
