// Matrix: power (estimated by agents or audited by branching) or influence of row over column as a heat map, over time with a slider.

import { color, scale } from "./colors.js";
import { $, number, text } from "./format.js";

export class Matrix {
  // load: fetches the matrices of an iteration; null is the newest.
  constructor(state, load) {
    this.state = state;
    this.load = load;
    this.canvas = $("matrix");
    this.pinned = null;
    this.timer = null;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.canvas.addEventListener("mousemove", (event) => this.hover(event));
    $("matrix-kind").addEventListener("change", () => this.draw());
    $("at").addEventListener("input", () => { this.stop(); this.pin(Number($("at").value)); });
    $("play").addEventListener("click", () => (this.timer ? this.stop() : this.play()));
  }

  pin(iteration) {
    this.pinned = iteration >= this.state.count - 1 ? null : iteration;
    this.load(this.pinned);
  }

  play() {
    const step = Math.max(1, Math.round(this.state.count / 200));
    let at = this.pinned ?? 0;
    text($("play"), "⏸");
    this.timer = setInterval(() => {
      at += step;
      $("at").value = at;
      this.pin(at);
      if (at >= this.state.count - 1) this.stop();
    }, 100);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    text($("play"), "▶");
  }

  tick() {
    $("at").max = Math.max(0, this.state.count - 1);
    if (this.pinned === null && !this.timer) $("at").value = $("at").max;
    text($("at-line"), this.pinned === null ? `newest (${Math.max(0, this.state.count - 1)})` : `iteration ${this.pinned}`);
  }

  table() {
    const { matrix } = this.state;
    const kind = $("matrix-kind").value;
    return (kind === "power" ? matrix?.power : matrix?.[kind]?.values) ?? null;
  }

  draw() {
    const { canvas, state } = this;
    const table = this.table();
    const kind = $("matrix-kind").value;
    const influence = kind === "influence";
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    text($("matrix-title"), { influence: "Influence of row on column", audited: "True power of row over column", power: "Power of row over column" }[kind]);
    if (!table?.length) {
      text($("matrix-line"), { influence: "no influence has been measured of this run; netagents influence measures it", audited: "no iteration was audited by then; the setting power.audit does it", power: "no power is measured yet" }[kind]);
      text($("matrix-hover"), "");
      return;
    }
    const n = table.length;
    const margin = 26;
    const cell = Math.max(1, Math.min((width - margin) / n, (height - margin) / n, 36));
    const left = margin + Math.max(0, (width - margin - cell * n) / 2);
    Object.assign(this, { left, top: margin, cell, n });
    const known = table.flatMap((line, j) => line.filter((value, i) => value !== null && (kind !== "power" || state.matrix.reliable[j][i])));
    const all = known.length ? known : table.flat().filter((value) => value !== null);
    const most = Math.max(...all, 0) || 1;
    for (let j = 0; j < n; j += 1) {
      for (let i = 0; i < n; i += 1) {
        const value = table[j][i];
        if (i !== j && value === null) continue;
        const reliable = kind !== "power" || state.matrix.reliable[j][i];
        context.fillStyle = i === j ? color("track") : scale(Math.max(0, value) / most);
        context.globalAlpha = i === j || reliable ? 1 : 0.35;
        const gap = cell > 6 ? 1 : 0;
        context.fillRect(left + i * cell, margin + j * cell, cell - gap, cell - gap);
      }
    }
    context.globalAlpha = 1;
    context.fillStyle = color("quiet");
    context.font = "11px system-ui, sans-serif";
    const every = Math.ceil(22 / cell);
    for (let index = 0; index < n; index += every) {
      context.textAlign = "center";
      context.fillText(String(index), left + (index + 0.5) * cell, margin - 6);
      context.textAlign = "right";
      context.fillText(String(index), left - 5, margin + (index + 0.5) * cell + 4);
    }
    const pairs = kind !== "power" ? "" : `; as agents estimate it, ${known.length} reliable pairs, the others pale`;
    const loss = "what one bad action of the row could take from the column's return";
    const what = { influence: `nats, measured at checkpoint ${state.matrix.influence?.checkpoint}`, audited: `${loss}; audited by branching in iteration ${state.matrix.audited?.iteration}`, power: loss }[kind];
    text($("matrix-line"), `${what}; the strongest colour is ${number(most)}${pairs}`);
  }

  hover(event) {
    const table = this.table();
    if (!table || !this.cell) return;
    const box = this.canvas.getBoundingClientRect();
    const i = Math.floor((event.clientX - box.left - this.left) / this.cell);
    const j = Math.floor((event.clientY - box.top - this.top) / this.cell);
    if (!(i >= 0 && j >= 0 && i < this.n && j < this.n)) return;
    const { matrix, overview } = this.state;
    const kind = $("matrix-kind").value;
    const influence = kind === "influence";
    const error = influence ? "" : kind === "audited" ? ` ± ${number(matrix.audited.error[j][i])} (95 %)` : ` ± ${number(matrix.error[j][i])}, ${matrix.impossible[j][i] ? "cannot be: noise" : matrix.reliable[j][i] ? "reliable" : "not reliable"}`;
    text($("matrix-hover"), `${overview.labels[j]} ${influence ? "on" : "over"} ${overview.labels[i]}: ${table[j][i] === null ? "not known" : number(table[j][i]) + error}`);
  }
}
