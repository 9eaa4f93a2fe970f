// Colours: the theme's, read from the style sheet, and scales between them.

let cache = new Map();

export function color(name) {
  if (!cache.has(name)) cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return cache.get(name);
}

export const forget = () => { cache = new Map(); shades = []; };

function parts(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function between(left, right, share) {
  const [a, b] = [parts(left), parts(right)];
  return `rgb(${a.map((value, index) => Math.round(value + (b[index] - value) * share)).join(",")})`;
}

const SHADES = 255;
let shades = [];

// From low over middle to high, for a share of 0 to 1, in steps that no eye tells apart.
export function scale(share) {
  if (share === null || Number.isNaN(share)) return color("unknown");
  const step = Math.round(Math.min(1, Math.max(0, share)) * SHADES);
  if (!shades[step]) {
    const at = step / SHADES;
    shades[step] = at < 0.5 ? between(color("low"), color("middle"), at * 2) : between(color("middle"), color("high"), at * 2 - 1);
  }
  return shades[step];
}

// Whether ink on a scale colour should be the card's colour.
export const inverse = (share) => share > 0.55;

export const kind = (index) => color(`k${index % 8}`);

// One colour per agent, around the wheel; the theme decides the lightness.
export function agent(index, n) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = document.documentElement.dataset.theme;
  const light = chosen ? chosen === "dark" : dark;
  return `hsl(${Math.round((210 + (360 * index) / n) % 360)} ${light ? 70 : 65}% ${light ? 68 : 40}%)`;
}

export const translucent = (value, share) => `color-mix(in srgb, ${value} ${Math.round(share * 100)}%, transparent)`;
