// Runs: the list from which one is opened and others are laid over it, and studies as grids that fill.

import { color, inverse, scale } from "./colors.js";
import { $, el, number, row, text } from "./format.js";

export class Runs {
  // open: shows another run; compare: called with the keys and names of those to lay over it.
  constructor(state, open, compare) {
    Object.assign(this, { state, open, compare, chosen: new Map(), seen: "" });
    this.poll();
    setInterval(() => this.poll(), 2000);
  }

  async poll() {
    if (document.hidden && this.seen) return;
    let listing;
    try {
      listing = await (await fetch("/api/runs")).json();
    } catch { return; }
    const word = JSON.stringify(listing) + this.state.key + [...this.chosen.keys()];
    if (word === this.seen) return;
    this.seen = word;
    this.draw(listing);
    if (!this.state.key && listing.runs.length) this.open(listing.runs[0].key);
  }

  draw({ runs, studies }) {
    const running = runs.filter((run) => run.state === "running").length;
    text($("runs-line"), `${runs.length} shown here${running ? `, ${running} running` : ""}${this.chosen.size ? `, ${this.chosen.size} laid over this one` : ""}`);
    $("studies").replaceChildren(...studies.map((study) => this.study(study)));
    if (studies.length && !this.opened) { this.opened = true; $("runs").open = true; }
    const rows = runs.slice(0, 300).map((run) => {
      const own = run.key === this.state.key;
      const box = el("input", { type: "checkbox", checked: own || this.chosen.has(run.key), disabled: own || !run.iterations, "aria-label": `lay ${run.name} over the curves` });
      box.addEventListener("change", () => {
        if (box.checked) this.chosen.set(run.key, run.name); else this.chosen.delete(run.key);
        this.compare([...this.chosen]);
        this.poll();
      });
      const name = el("a", { href: `/?run=${run.key}` }, run.name);
      name.addEventListener("click", (event) => { event.preventDefault(); this.open(run.key); });
      const line = row([box, run.state, [String(run.iterations), "number"], [number(run.return), "number"], [String(run.n), "number"], [String(run.seed ?? ""), "number"], run.line ? `${run.name}: ${run.line}` : name], ["failed", "killed", "unreadable"].includes(run.state) ? "bad" : "");
      if (own) line.setAttribute("aria-current", "true");
      return line;
    });
    document.querySelector("#run-table tbody").replaceChildren(...rows);
  }

  study(study) {
    const returns = study.cells.flat().map((cell) => cell.return).filter((value) => value !== null && value !== undefined);
    const [low, high] = [Math.min(...returns), Math.max(...returns)];
    const head = el("tr", {}, el("th", { scope: "col" }, "setting"), ...study.seeds.map((seed) => el("th", { scope: "col" }, `seed ${seed}`)));
    const lines = study.cells.map((cells, at) => el("tr", {}, el("th", { scope: "row" }, study.settings[at]), ...cells.map((cell) => {
      const words = cell.state === "waiting" ? "·" : cell.state === "running" ? `${Math.round((100 * cell.iterations) / Math.max(1, study.planned))} %` : cell.state === "finished" ? number(cell.return) : cell.state;
      const button = el("button", { type: "button", disabled: !cell.key, "data-state": cell.state, title: `${study.settings[at]}: ${cell.state}` }, words);
      if (cell.state === "finished" && high > low) {
        const share = (cell.return - low) / (high - low);
        button.style.background = scale(0.75 * share);
        button.style.color = inverse(0.75 * share) ? color("card") : color("ink");
      }
      if (cell.key) button.addEventListener("click", () => this.open(cell.key));
      return el("td", { className: "cell" }, button);
    })));
    return el("div", { className: "study" },
      el("p", {}, `Study ${study.name}, question: ${study.question}; ${study.done} of ${study.total} runs finished. A number is the newest return.`),
      el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines)));
  }
}
