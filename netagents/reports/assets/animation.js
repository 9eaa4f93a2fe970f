"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const stage = document.getElementById("stage"), pen = stage.getContext("2d");
const scale = Math.min(96, 1440 / Math.max(facts.width, facts.height));
stage.width = Math.round(facts.width * scale);
stage.height = Math.round(facts.height * scale);
stage.style.maxWidth = stage.width / 2 + "px";
const at = document.getElementById("at"), play = document.getElementById("play"), speed = document.getElementById("speed");
at.max = facts.frames.length - 1;
speed.value = facts.speed;
let playing = true, shown = 0, last = 0;

function disc(x, y, radius, colour, outline) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
  if (outline) { pen.strokeStyle = outline; pen.lineWidth = 2; pen.stroke(); }
}

function words(x, y, text, size, colour) {
  pen.fillStyle = colour;
  pen.font = `bold ${size}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(text, x, y);
}

function show(number) {
  shown = Math.max(0, Math.min(facts.frames.length - 1, number));
  const [tiles, markers, caption] = facts.frames[shown];
  pen.fillStyle = facts.background;
  pen.fillRect(0, 0, stage.width, stage.height);
  for (const index of tiles) {
    const [x, y, colour, text, width, height, ink] = facts.tiles[index];
    pen.fillStyle = colour;
    pen.fillRect(x * scale + 1, y * scale + 1, width * scale - 2, height * scale - 2);
    if (text) words((x + width / 2) * scale, (y + height / 2) * scale, text, 0.42 * scale * Math.min(width, height), ink);
  }
  if (facts.halos) for (const [x, y, , , radius, , , agent] of markers) {
    if (agent !== null && facts.halos[agent] > 0) disc(x * scale, y * scale, (radius + 0.05 + 0.2 * facts.halos[agent]) * scale, facts.halo);
  }
  for (const [mx, my, colour, label, mr, heading, badge, , ink] of markers) {
    const x = mx * scale, y = my * scale, radius = mr * scale;
    disc(x, y, radius, colour, "#1f2a37");
    if (heading !== null) {
      pen.save();
      pen.translate(x, y);
      pen.rotate(heading);
      pen.beginPath();
      pen.moveTo(1.12 * radius, 0);
      pen.lineTo(0.75 * radius, 0.34 * radius);
      pen.lineTo(0.75 * radius, -0.34 * radius);
      pen.closePath();
      pen.fillStyle = "#ffffff";
      pen.fill();
      pen.strokeStyle = "#1f2a37";
      pen.lineWidth = 1.5;
      pen.stroke();
      pen.restore();
    }
    if (label) words(x, y, label, radius, ink);
    if (badge) {
      const beside = heading === null ? Math.PI / 4 : heading;
      disc(x + 0.95 * radius * Math.cos(beside), y + 0.95 * radius * Math.sin(beside), 0.45 * radius, badge, "#1f2a37");
    }
  }
  at.value = shown;
  document.getElementById("caption").textContent = caption;
}

function pause(stop) {
  playing = !stop;
  play.textContent = playing ? "pause" : "play";
}

play.onclick = () => { if (!playing && shown === facts.frames.length - 1) show(0); pause(playing); };
document.getElementById("back").onclick = () => { pause(true); show(shown - 1); };
document.getElementById("next").onclick = () => { pause(true); show(shown + 1); };
at.oninput = () => { pause(true); show(Number(at.value)); };

function tick(now) {
  if (playing && now - last >= 1000 / Math.max(1, Number(speed.value) || 1)) {
    last = now;
    if (shown === facts.frames.length - 1) pause(true); else show(shown + 1);
  }
  requestAnimationFrame(tick);
}
show(0);
requestAnimationFrame(tick);
