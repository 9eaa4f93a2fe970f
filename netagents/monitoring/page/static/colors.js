// Colours: the theme's, read from the style sheet, and scales between them.

let cache = new Map();

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

// A colour of the theme as the browser resolves it for light or dark.
export function color(name) {
  if (!cache.has(name)) {
    probe.style.color = `var(--${name})`;
    cache.set(name, getComputedStyle(probe).color);
  }
  return cache.get(name);
}

export const forget = () => { cache = new Map(); shades = []; };

const parts = (rgb) => rgb.match(/\d+/g).slice(0, 3).map(Number);

function between(left, right, share) {
  const [a, b] = [parts(left), parts(right)];
  return `rgb(${a.map((value, index) => Math.round(value + (b[index] - value) * share)).join(",")})`;
}

const SHADES = 255;
const ANCHORS = [0, 1, 2, 3, 4, 5].map((at) => `heat${at}`);
let shades = [];

// From nothing to the largest value, for a share of 0 to 1, in steps that no eye tells apart.
export function scale(share) {
  if (share === null || Number.isNaN(share)) return color("unknown");
  const step = Math.round(Math.min(1, Math.max(0, share)) * SHADES);
  if (!shades[step]) {
    const at = (step / SHADES) * (ANCHORS.length - 1);
    const first = Math.min(Math.floor(at), ANCHORS.length - 2);
    shades[step] = between(color(ANCHORS[first]), color(ANCHORS[first + 1]), at - first);
  }
  return shades[step];
}

// Whether ink on a scale colour should be the card's colour.
export const inverse = (share) => share > 0.55;

export const kind = (index) => color(`c${index % 8}`);

// One colour per agent, around the wheel; the theme decides the lightness.
export function agent(index, n) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = document.documentElement.dataset.theme;
  const light = chosen ? chosen === "dark" : dark;
  return `hsl(${Math.round((210 + (360 * index) / n) % 360)} ${light ? 70 : 65}% ${light ? 68 : 40}%)`;
}

export const translucent = (value, share) => `color-mix(in srgb, ${value} ${Math.round(share * 100)}%, transparent)`;
