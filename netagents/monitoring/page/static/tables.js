// Tables: events, processes, messages by kind, settings and logs, in tabs that the arrow keys reach.

import { color, kind } from "./colors.js";
import { $, bytes, clock, duration, el, number, percent, row, text } from "./format.js";

const LEVELS = ["debug", "info", "warning", "error"];
const MOST_ROWS = 600;

export class Tables {
  // listen: called with true when logs are wanted.
  constructor(state, listen) {
    this.state = state;
    this.tabs = [...document.querySelectorAll("[role=tab]")];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.open(tab, listen));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = this.tabs[(this.tabs.indexOf(tab) + step + this.tabs.length) % this.tabs.length];
        next.focus();
        this.open(next, listen);
      });
    }
    for (const id of ["log-level", "log-role", "log-text"]) $(id).addEventListener("input", () => this.logs());
    $("only-chosen").addEventListener("change", () => this.settings());
  }

  open(chosen, listen) {
    for (const tab of this.tabs) {
      const open = tab === chosen;
      tab.setAttribute("aria-selected", String(open));
      tab.tabIndex = open ? 0 : -1;
      $(tab.getAttribute("aria-controls")).hidden = !open;
    }
    const name = chosen.id.slice("tab-".length);
    if (name !== "traffic") this[name]();
    else this.traffic(this.order);
    listen(name === "logs");
  }

  // A panel that nobody sees is drawn when it is opened.
  hidden(name) {
    return $(`panel-${name}`).hidden;
  }

  body(name) {
    return document.querySelector(`#panel-${name} tbody`);
  }

  count(name, value) {
    text(document.querySelector(`#tab-${name} .count`), value ? String(value) : "");
  }

  events() {
    const { events } = this.state;
    this.count("events", events.length);
    if (this.hidden("events")) return;
    this.body("events").replaceChildren(...events.slice(-MOST_ROWS).reverse().map((event) => row([clock(event.time), event.event, event.who, event.line], event.tone)));
  }

  processes() {
    const rows = this.state.processes;
    this.count("processes", rows.length);
    if (this.hidden("processes")) return;
    this.body("processes").replaceChildren(...rows.map((each) => {
      const bar = el("div", { className: "meter" }, el("div"));
      bar.firstChild.style.width = `${Math.min(100, 100 * (each.cpu ?? 0))}%`;
      const name = each.state === "T" ? `${each.role} (stopped)` : each.role;
      return row([name, [String(each.pid), "number"], [bytes(each.memory), "number"], [each.cpu === null ? "–" : percent(each.cpu), "number"], bar, [duration(each.seconds), "number"]]);
    }));
    const memory = rows.reduce((sum, each) => sum + each.memory, 0);
    const share = rows.reduce((sum, each) => sum + (each.cpu ?? 0), 0);
    text($("processes-line"), rows.length
      ? `${rows.length} processes on ${this.state.overview?.machine.host ?? "this host"}, ${bytes(memory)} resident (pages that they share count in each), ${number(share, 2)} cores busy`
      : "no process of this run lives on this host");
  }

  // order: the number of a kind, which chooses its colour.
  traffic(order) {
    this.order = order;
    const entries = Object.entries(this.state.kinds).sort((a, b) => b[1] - a[1]);
    const all = entries.reduce((sum, [, messages]) => sum + messages, 0) || 1;
    this.count("traffic", entries.length ? all : 0);
    const shown = JSON.stringify(entries) + color("card");
    if (this.hidden("traffic") || shown === this.shownTraffic) return;
    this.shownTraffic = shown;
    this.body("traffic").replaceChildren(...entries.map(([name, messages]) => {
      const bar = el("div", { className: "meter" }, el("div"));
      bar.firstChild.style.width = `${(100 * messages) / all}%`;
      bar.firstChild.style.background = kind(order(name));
      return row([name.replaceAll("_", " "), [String(messages), "number"], bar]);
    }));
  }

  settings() {
    const only = $("only-chosen").checked;
    const { settings = [], machine = {} } = this.state.overview ?? {};
    const rows = settings.filter(([, , chosen]) => chosen || !only).map(([key, value]) => row([key, value]));
    rows.push(...Object.entries(machine).map(([key, value]) => row([key, value])));
    this.body("settings").replaceChildren(...rows);
  }

  logs() {
    const roles = [...new Set(this.state.logs.map((entry) => entry.role))];
    const select = $("log-role");
    for (const role of roles) if (![...select.options].some((option) => option.value === role)) select.append(el("option", { value: role }, role));
    const lowest = LEVELS.indexOf($("log-level").value);
    const wanted = $("log-text").value.toLowerCase();
    const shown = this.state.logs.filter((entry) => (LEVELS.indexOf(entry.level) < 0 || LEVELS.indexOf(entry.level) >= lowest) && (!select.value || entry.role === select.value) && (!wanted || entry.text.toLowerCase().includes(wanted)));
    const tone = (level) => ({ error: "bad", critical: "bad", warning: "odd" })[level] ?? "";
    this.body("logs").replaceChildren(...shown.slice(-MOST_ROWS).reverse().map((entry) => row([clock(entry.time), entry.role, entry.level, entry.phase ? `[${entry.phase}] ${entry.text}` : entry.text], tone(entry.level))));
    this.count("logs", shown.length);
  }
}
