// Graph: the agents at the places that the server computed, edges by messages, power or influence, and messages on their way.

import { color, inverse, kind, scale, translucent } from "./colors.js";
import { $, number, text } from "./format.js";

const MOST_PARTICLES = 220;
const TRAVEL = 900; // milliseconds of a message's way across the picture
const FRAME = 40; // milliseconds between two frames of messages on their way

export class Graph {
  constructor(state, choose) {
    this.state = state;
    this.canvas = $("graph");
    this.particles = [];
    this.muted = new Set();
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.kinds = [];
    this.layers = [document.createElement("canvas"), document.createElement("canvas")]; // edges, agents
    this.stale = true;
    this.seen = true;
    this.scheduled = false;
    this.limits = [0, 0];
    this.sums = { links: null, muted: "", sums: new Map() };
    new ResizeObserver(() => this.touch()).observe(this.canvas);
    new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; this.schedule(); }).observe(this.canvas);
    this.canvas.addEventListener("click", (event) => choose(this.nearest(event)));
    this.canvas.addEventListener("mousemove", (event) => this.hover(this.nearest(event)));
    $("edges").addEventListener("change", () => { this.touch(); this.describe(); });
  }

  // Edges and agents have to be drawn anew.
  touch() {
    this.stale = true;
    this.schedule();
  }

  // Frames are asked for only while there is something to draw that can be seen.
  schedule() {
    if (this.scheduled || !this.seen || !this.state.overview || (!this.stale && !this.particles.length)) return;
    this.scheduled = true;
    setTimeout(() => requestAnimationFrame((now) => { this.scheduled = false; this.frame(now); this.schedule(); }), this.stale ? 0 : FRAME);
  }

  place(index) {
    const [x, y] = this.state.overview.places[index];
    return [this.left + x * this.unit, this.top + y * this.unit];
  }

  measure() {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    for (const each of [canvas, ...this.layers]) {
      if (each.width === Math.round(width * ratio) && each.height === Math.round(height * ratio)) continue;
      each.width = Math.round(width * ratio);
      each.height = Math.round(height * ratio);
      this.stale = true;
    }
    const places = this.state.overview.places;
    const [wide, tall] = [0, 1].map((axis) => Math.max(...places.map((place) => place[axis]), 0.0001));
    const margin = 30;
    this.unit = Math.min((width - 2 * margin) / wide, (height - 2 * margin) / tall);
    this.left = (width - wide * this.unit) / 2;
    this.top = (height - tall * this.unit) / 2;
    this.base = Math.max(3, Math.min(15, 0.23 * this.unit * Math.max(wide, tall) / Math.sqrt(places.length)));
    return [width, height, ratio];
  }

  // One message per link and kind that was sent in the newest iteration, as many as can be followed.
  send() {
    if (this.calm || document.hidden || !this.seen) return;
    const links = this.state.links.filter(([sender, name, receiver]) => sender >= 0 && receiver >= 0 && !this.muted.has(name));
    const room = MOST_PARTICLES - this.particles.length;
    if (room <= 0 || !links.length) return;
    const count = Math.min(room, 40, links.length);
    const now = performance.now();
    for (let at = 0; at < count; at += 1) {
      const link = links[Math.floor(Math.random() * links.length)];
      this.particles.push({ from: link[0], to: link[2], name: link[1], start: now + Math.random() * 300 });
    }
    this.schedule();
  }

  kindIndex(name) {
    if (!this.kinds.includes(name)) this.kinds.push(name);
    return this.kinds.indexOf(name);
  }

  frame(now) {
    if (!this.state.overview) return;
    const [width, height, ratio] = this.measure();
    if (width < 10) {
      this.stale = false; // it is drawn when it has a size
      return;
    }
    if (this.stale) {
      this.stale = false;
      this.limits = this.range();
      this.layers.forEach((layer, at) => {
        const context = layer.getContext("2d");
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.clearRect(0, 0, width, height);
        if (at === 0) this.drawEdges(context); else this.drawAgents(context);
      });
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.layers[0], 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.particles = this.particles.filter((particle) => now - particle.start < TRAVEL);
    for (const particle of this.particles) this.drawParticle(context, particle, (now - particle.start) / TRAVEL);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.layers[1], 0, 0);
  }

  drawParticle(context, particle, share) {
    if (share < 0) return;
    const [[x0, y0], [x1, y1]] = [this.place(particle.from), this.place(particle.to)];
    context.fillStyle = kind(this.kindIndex(particle.name));
    context.beginPath();
    context.arc(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, Math.max(1.8, Math.min(3.2, this.base / 3)), 0, 7);
    context.fill();
  }

  drawEdges(context) {
    const { state } = this;
    context.strokeStyle = color("faint");
    context.lineWidth = 1.2;
    context.beginPath();
    for (const [i, j] of state.overview.edges) { context.moveTo(...this.place(i)); context.lineTo(...this.place(j)); }
    context.stroke();
    const mode = $("edges").value;
    if (mode === "traffic") {
      const sums = this.traffic();
      let most = 1;
      for (const [, , sum] of sums) most = Math.max(most, sum);
      for (const [i, j, sum] of sums) this.line(context, i, j, translucent(color("main"), 0.16 + (0.34 * sum) / most), 0.6 + (3.4 * sum) / most);
      return;
    }
    const table = mode === "power" ? state.matrix?.power : state.matrix?.influence?.values;
    if (!table) return;
    const pairs = [];
    table.forEach((values, j) => values.forEach((value, i) => {
      if (i !== j && value > 0 && (mode !== "power" || state.matrix.reliable[j][i])) pairs.push([j, i, value]);
    }));
    pairs.sort((a, b) => b[2] - a[2]);
    const most = pairs.length ? pairs[0][2] : 1;
    for (const [j, i, value] of pairs.slice(0, 300)) this.arrow(context, j, i, value / most);
  }

  // Pairs of agents with the messages between them, of the kinds that are shown; the same as before while the links are.
  traffic() {
    const muted = [...this.muted].join();
    if (this.sums.links !== this.state.links || this.sums.muted !== muted) {
      const n = this.state.overview.n;
      const sums = new Map();
      for (const [sender, name, receiver, messages] of this.state.links) {
        if (sender < 0 || receiver < 0 || this.muted.has(name)) continue;
        const key = sender < receiver ? sender * n + receiver : receiver * n + sender;
        sums.set(key, (sums.get(key) ?? 0) + messages);
      }
      this.sums = { links: this.state.links, muted, sums: [...sums].map(([key, sum]) => [Math.floor(key / n), key % n, sum]) };
    }
    return this.sums.sums;
  }

  line(context, i, j, stroke, width) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...this.place(i));
    context.lineTo(...this.place(j));
    context.stroke();
  }

  arrow(context, from, to, share) {
    const [[x0, y0], [x1, y1]] = [this.place(from), this.place(to)];
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
    // Beside the line, so that both directions are seen.
    const [ox, oy] = [-uy * 2.5, ux * 2.5];
    const end = this.radius(to) + 2;
    const [tipX, tipY] = [x1 - ux * end + ox, y1 - uy * end + oy];
    const ink = translucent(color("accent"), 0.25 + 0.7 * share);
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 0.7 + 3 * share;
    context.beginPath();
    context.moveTo(x0 + ox, y0 + oy);
    context.lineTo(tipX - ux * 5, tipY - uy * 5);
    context.stroke();
    const size = 3 + 3 * share;
    context.beginPath();
    context.moveTo(tipX, tipY);
    context.lineTo(tipX - ux * size * 2 - uy * size, tipY - uy * size * 2 + ux * size);
    context.lineTo(tipX - ux * size * 2 + uy * size, tipY - uy * size * 2 - ux * size);
    context.fill();
  }

  share(index) {
    const values = this.state.shown;
    const value = values[index];
    if (value === null || value === undefined) return null;
    const [low, high] = this.limits;
    return high > low ? (value - low) / (high - low) : 0.5;
  }

  radius(index) {
    return this.base * (0.65 + 0.75 * Math.sqrt(Math.max(0, this.share(index) ?? 0)));
  }

  drawAgents(context) {
    const { state } = this;
    const n = state.overview.n;
    for (let index = 0; index < n; index += 1) {
      const [x, y] = this.place(index);
      const share = this.share(index);
      const radius = this.radius(index);
      const gone = state.gone.includes(index);
      context.fillStyle = gone ? color("card") : scale(share);
      context.strokeStyle = gone ? color("bad") : state.agent === index ? color("accent") : color("edge");
      context.lineWidth = gone || state.agent === index ? 3 : 1;
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
      context.stroke();
      if (gone) {
        context.beginPath();
        context.moveTo(x - radius / 2, y - radius / 2);
        context.lineTo(x + radius / 2, y + radius / 2);
        context.moveTo(x + radius / 2, y - radius / 2);
        context.lineTo(x - radius / 2, y + radius / 2);
        context.stroke();
      } else if (n <= 60 && radius > 7) {
        context.fillStyle = inverse(share ?? 0) ? color("card") : color("ink");
        context.font = `600 ${Math.min(12, radius)}px system-ui, sans-serif`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillText(String(index), x, y);
      }
    }
  }

  range() {
    const known = this.state.shown.filter((value) => value !== null && value !== undefined);
    if (!known.length) return [0, 0];
    // Metrics that are never negative are compared with zero.
    return [Math.min(0, ...known) === 0 && this.state.graphMetric === "power_held" ? 0 : Math.min(...known), Math.max(...known)];
  }

  nearest(event) {
    if (!this.state.overview || this.unit === undefined) return null;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let shortest = 20;
    for (let index = 0; index < this.state.overview.n; index += 1) {
      const [px, py] = this.place(index);
      const distance = Math.hypot(px - x, py - y);
      if (distance < shortest) [best, shortest] = [index, distance];
    }
    return best;
  }

  hover(index) {
    this.canvas.title = index === null ? "" : `agent ${this.state.overview.labels[index]}: ${this.state.graphMetric.replaceAll("_", " ")} ${number(this.state.shown[index])}`;
  }

  describe() {
    const [low, high] = this.range();
    const name = this.state.graphMetric.replaceAll("_", " ");
    const mode = $("edges").value;
    const edges = { traffic: "edges by messages per iteration, dots are messages on their way", power: "arrows from who holds power to over whom", influence: this.state.matrix?.influence ? "arrows from source to influenced agent" : "no influence has been measured (netagents influence)" }[mode];
    const known = this.state.shown.some((value) => value !== null && value !== undefined);
    text($("graph-line"), `size and colour: ${name} of each agent${known ? ` (${number(low)} to ${number(high)})` : ", not known yet"}; ${edges}`);
  }
}
