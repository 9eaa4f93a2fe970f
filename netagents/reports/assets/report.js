(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  var number = function (value) {
    if (value === null) { return "unknown"; }
    return String(Number(value.toPrecision(4)));
  };

  // Files: what a chart or a table holds, saved by the browser itself.
  var save = function (name, kind, content) {
    var link = document.createElement("a");
    link.href = typeof content === "string" && content.startsWith("data:") ? content : URL.createObjectURL(new Blob([content], {type: kind}));
    link.download = name; link.click();
  };
  var button = function (row, words, title, action) {
    var one = document.createElement("button");
    one.type = "button"; one.textContent = words; one.title = title; one.addEventListener("click", action); row.appendChild(one);
  };
  var cell = function (value) {
    var words = value === null || value === undefined ? "" : String(value);
    // A spreadsheet takes these for the beginning of a formula.
    if (/^[=+\-@\t\r]/.test(words) && isNaN(Number(words))) { words = "'" + words; }
    return /[",\n]/.test(words) ? '"' + words.replace(/"/g, '""') + '"' : words;
  };
  var csv = function (rows) { return rows.map(function (row) { return row.map(cell).join(","); }).join("\n") + "\n"; };
  var titleOf = function (element) {
    var section = element.closest("section"), heading = section && section.querySelector("h2");
    return (heading ? heading.textContent : document.title).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "figure";
  };
  var STYLES = ["fill", "stroke", "stroke-width", "font-family", "font-size", "font-weight", "opacity", "visibility", "text-anchor", "display"];
  var standalone = function (svg) {
    var copy = svg.cloneNode(true), from = svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
    STYLES.forEach(function (name) {
      from.forEach(function (one, at) { to[at].style.setProperty(name, getComputedStyle(one).getPropertyValue(name)); });
    });
    copy.removeAttribute("data-chart"); copy.removeAttribute("data-values");
    copy.querySelectorAll("use").forEach(function (use) {
      var symbol = document.querySelector(use.getAttribute("href")), whole = document.createElementNS(svg.namespaceURI, "svg");
      ["x", "y", "width", "height"].forEach(function (name) { whole.setAttribute(name, use.getAttribute(name)); });
      ["viewBox", "preserveAspectRatio"].forEach(function (name) { whole.setAttribute(name, symbol.getAttribute(name)); });
      Array.from(symbol.children).forEach(function (one) {
        var inside = whole.appendChild(one.cloneNode(true));
        STYLES.forEach(function (name) { inside.style.setProperty(name, getComputedStyle(one).getPropertyValue(name)); });
      });
      use.replaceWith(whole);
    });
    copy.setAttribute("width", svg.viewBox.baseVal.width); copy.setAttribute("height", svg.viewBox.baseVal.height);
    copy.style.background = getComputedStyle(svg.closest("section") || document.body).backgroundColor;
    return new XMLSerializer().serializeToString(copy);
  };

  var images = function (row, svg) {
    button(row, "SVG", "save this figure as a drawing", function () { save(titleOf(svg) + ".svg", "image/svg+xml", standalone(svg)); });
    button(row, "PNG", "save this figure as an image", function () {
      var image = new Image();
      image.onload = function () {
        var canvas = document.createElement("canvas");
        canvas.width = 2 * image.width; canvas.height = 2 * image.height;
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        save(titleOf(svg) + ".png", "image/png", canvas.toDataURL("image/png"));
      };
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(svg));
    });
  };

  var telephone = matchMedia("(max-width: 600px)");

  // Charts: the values under the pointer are written below the chart; a part that is dragged over is enlarged, a double click undoes it.
  document.querySelectorAll("svg[data-chart]").forEach(function (svg) {
    var chart = JSON.parse(svg.dataset.chart), box = chart.box, range = chart.range.slice(), marks = svg.querySelector(".marks");
    var cursor = svg.querySelector(".cursor"), readout = svg.parentNode.querySelector(".readout");
    var measured = chart.names.length === 0, start = null, drawn = null, shade = null;
    var scale = function (value, ends, log) {
      var f = log ? Math.log10 : Number;
      return (f(value) - f(ends[0])) / ((f(ends[1]) - f(ends[0])) || 1);
    };
    var across = function (value) { return box[0] + scale(value, range, chart.log) * box[2]; };
    var down = function (value) { return box[1] + (1 - scale(value, chart.heights, chart.logY)) * box[3]; };
    var at = function (event) {
      var frame = svg.getBoundingClientRect(), part = ((event.clientX - frame.left) / frame.width * svg.viewBox.baseVal.width - box[0]) / box[2];
      part = Math.min(Math.max(part, 0), 1);
      return chart.log ? range[0] * Math.pow(range[1] / range[0], part) : range[0] + part * (range[1] - range[0]);
    };
    var element = function (name, values, parent) {
      var one = document.createElementNS(svg.namespaceURI, name);
      Object.keys(values).forEach(function (key) { one.setAttribute(key, values[key]); });
      return parent.appendChild(one);
    };
    var nearest = function (xs, wanted) {
      var best = -1;
      xs.forEach(function (x, place) { if (x !== null && (best < 0 || Math.abs(x - wanted) < Math.abs(xs[best] - wanted))) { best = place; } });
      return best;
    };
    var show = function (event) {
      var wanted = at(event), best = null;
      chart.series.forEach(function (one) {
        var place = nearest(one.x, wanted);
        if (place >= 0 && (best === null || Math.abs(one.x[place] - wanted) < Math.abs(best - wanted))) { best = one.x[place]; }
      });
      if (best === null) { return; }
      var name = measured ? chart.axis + " " + number(best) : chart.axis + " " + (chart.names[Math.round(best)] || "");
      cursor.setAttribute("x1", across(best)); cursor.setAttribute("x2", across(best)); cursor.style.visibility = "visible";
      readout.textContent = name + ": " + chart.series.map(function (one) {
        var place = nearest(one.x, best);
        if (place < 0 || Math.abs(one.x[place] - best) > (measured ? Math.abs(range[1] - range[0]) / 50 : 0.5)) { return null; }
        var edges = one.low && one.low[place] !== null ? " [" + number(one.low[place]) + ", " + number(one.high[place]) + "]" : "";
        return one.name + " " + number(one.y[place]) + edges;
      }).filter(Boolean).join(" \u00b7 ");
      if (start !== null) {
        var ends = [across(start), across(wanted)].sort(function (a, b) { return a - b; });
        if (!shade) { shade = element("rect", {"class": "chosen", y: box[1], height: box[3]}, svg); }
        shade.setAttribute("x", ends[0]); shade.setAttribute("width", ends[1] - ends[0]);
      }
    };
    var redraw = function () {
      var whole = range[0] === chart.range[0] && range[1] === chart.range[1], places = svg.querySelector(".places");
      if (drawn) { drawn.remove(); drawn = null; }
      marks.style.display = whole ? "" : "none";
      svg.querySelectorAll(".zoomed").forEach(function (one) { one.remove(); });
      places.style.display = whole ? "" : "none";
      if (whole) { return; }
      drawn = element("g", {"class": "zoomed"}, svg);
      chart.series.forEach(function (one) {
        var inside = one.x.map(function (x, place) { return x !== null && one.y[place] !== null && x >= range[0] && x <= range[1]; });
        var point = function (values) {
          return one.x.map(function (x, place) {
            return inside[place] && values[place] !== null ? across(x).toFixed(1) + " " + down(values[place]).toFixed(1) : null;
          }).filter(Boolean);
        };
        if (one.low && !one.marked) {
          element("path", {d: "M" + point(one.high).concat(point(one.low).reverse()).join("L") + "Z", fill: one.color, opacity: 0.22}, drawn);
        }
        var middle = point(one.y);
        if (middle.length && one.joined !== false) {
          element("path", {d: "M" + middle.join("L"), fill: "none", stroke: one.color, "stroke-width": 2}, drawn);
        }
        if (one.low && one.marked) {
          one.x.forEach(function (x, place) {
            if (!inside[place] || one.low[place] === null || one.high[place] === null) { return; }
            var ends = {x1: across(x), x2: across(x), y1: down(one.low[place]), y2: down(one.high[place])};
            element("line", Object.assign(ends, {stroke: one.color, "stroke-width": 1.6}), drawn);
          });
        }
        if (one.marked || middle.length === 1) {
          middle.forEach(function (pair) { var xy = pair.split(" "); element("circle", {cx: xy[0], cy: xy[1], r: 4, fill: one.color}, drawn); });
        }
      });
      [0, 0.25, 0.5, 0.75, 1].forEach(function (part) {
        var value = chart.log ? range[0] * Math.pow(range[1] / range[0], part) : range[0] + part * (range[1] - range[0]);
        var words = element("text", {x: across(value), y: box[1] + box[3] + 18, "text-anchor": "middle"}, drawn);
        words.textContent = number(value);
      });
    };
    svg.addEventListener("pointerdown", function (event) {
      if (measured && !chart.series.some(function (one) { return one.bars; })) { start = at(event); svg.setPointerCapture(event.pointerId); }
    });
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerup", function (event) {
      var end = at(event), ends = start === null ? [0, 0] : [Math.min(start, end), Math.max(start, end)];
      if (shade) { shade.remove(); shade = null; }
      if (start !== null && Math.abs(across(ends[1]) - across(ends[0])) > 8) { range = ends; redraw(); }
      start = null;
    });
    svg.addEventListener("dblclick", function () { if (measured) { range = chart.range.slice(); redraw(); } });
    svg.addEventListener("pointerleave", function () { cursor.style.visibility = "hidden"; readout.textContent = ""; });
    var row = document.createElement("div"), name = titleOf(svg), ends = svg.querySelectorAll("text.end");
    if (ends.length) {
      var names = document.createElement("div"), whole = svg.getAttribute("viewBox");
      names.className = "names";
      ends.forEach(function (end) {
        var one = document.createElement("span"), title = end.querySelector("title");
        one.textContent = title ? title.textContent : end.textContent; one.style.color = end.style.fill;
        names.appendChild(one);
      });
      svg.parentNode.insertBefore(names, readout);
      var fit = function () {
        svg.classList.toggle("narrow", telephone.matches);
        svg.setAttribute("viewBox", telephone.matches ? "0 0 " + (box[0] + box[2] + 14) + " " + svg.viewBox.baseVal.height : whole);
      };
      telephone.addEventListener("change", fit);
      fit();
    }
    row.className = "files";
    button(row, "CSV", "save the values of this figure", function () {
      var rows = [["series", chart.axis || "x", "y", "low", "high"]];
      chart.series.forEach(function (one) {
        one.x.forEach(function (x, place) {
          var named = measured ? x : chart.names[Math.round(x)];
          rows.push([one.name, named, one.y[place], one.low && one.low[place], one.high && one.high[place]]);
        });
      });
      save(name + ".csv", "text/csv", csv(rows));
    });
    images(row, svg);
    svg.parentNode.appendChild(row);
  });

  // Other figures: as drawings and images, and with the values that some have.
  document.querySelectorAll("svg[data-figure]").forEach(function (svg) {
    var row = document.createElement("div");
    row.className = "files";
    if (svg.dataset.values) {
      button(row, "CSV", "save the values of this figure", function () { save(titleOf(svg) + ".csv", "text/csv", csv(JSON.parse(svg.dataset.values))); });
    }
    images(row, svg);
    svg.parentNode.insertBefore(row, svg.nextSibling);
  });

  // Tables of more than one row can be saved.
  document.querySelectorAll("table").forEach(function (table) {
    if (!table.tHead || table.tBodies[0].rows.length < 2) { return; }
    var row = document.createElement("div");
    row.className = "files";
    button(row, "CSV", "save this table", function () {
      save(titleOf(table) + ".csv", "text/csv", csv(Array.from(table.rows).map(function (line) {
        return Array.from(line.cells).map(function (one) { return one.textContent.trim(); });
      })));
    });
    var frame = table.closest(".scroll") || table;
    frame.parentNode.insertBefore(row, frame.nextSibling);
  });

  // What can be clicked can be reached and pressed by keyboard.
  var pressed = function (element, action) {
    element.tabIndex = 0;
    element.addEventListener("click", action);
    element.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); action(); }
    });
  };

  // Power maps: a click on a small one shows it large; the pointer reads single entries.
  var large = document.getElementById("large-map");
  if (large) {
    var maps = JSON.parse(document.getElementById("power-data").textContent);
    var shown = maps.frames.length - 1, readout = document.getElementById("power-readout");
    var index = {};
    maps.pairs.forEach(function (pair, at) { index[pair[0] * maps.n + pair[1]] = at; });
    var choose = function (frame) {
      shown = frame;
      large.querySelector("use").setAttribute("href", "#map-" + frame);
      document.getElementById("large-title").textContent = maps.titles[frame];
      document.querySelectorAll(".thumbs figure").forEach(function (figure) {
        figure.classList.toggle("on", Number(figure.dataset.frame) === frame);
      });
    };
    document.querySelectorAll(".thumbs figure").forEach(function (figure) {
      pressed(figure, function () { choose(Number(figure.dataset.frame)); });
    });
    large.addEventListener("pointermove", function (event) {
      var area = large.querySelector(".frame").getBoundingClientRect();
      var i = Math.floor((event.clientX - area.left) / area.width * maps.n), j = Math.floor((event.clientY - area.top) / area.height * maps.n);
      if (i < 0 || j < 0 || i >= maps.n || j >= maps.n) { readout.textContent = ""; return; }
      var at = index[j * maps.n + i], text = "agent " + maps.names[j] + " over agent " + maps.names[i] + ": ";
      if (i === j) { text = "agent " + maps.names[i] + " itself"; }
      else if (at === undefined) { text += "beyond the critic's radius"; }
      else {
        var value = maps.frames[shown][at], kind = maps.pairs[at][2];
        var sure = maps.reliable[shown][at] ? "" : " (not reliable: the error is too large, or too little is known)";
        text += value === null ? "unknown, alternatives too rarely played"
          : number(value) + " \u00b1 " + number(maps.errors[shown][at]) + [sure, " (too far to trust)", " (cannot influence: noise)"][kind];
      }
      readout.textContent = text;
    });
    large.addEventListener("pointerleave", function () { readout.textContent = ""; });
  }

  // Tables: a click on a heading sorts by it.
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    table.querySelectorAll("th.sort").forEach(function (head) {
      var direction = -1;
      pressed(head, function () {
        var column = head.cellIndex;
        var key = function (row) { return Number(row.cells[column].dataset.value); };
        Array.from(body.rows).sort(function (a, b) {
          var x = key(a), y = key(b);
          return (isNaN(x) - isNaN(y)) || direction * (x - y);
        }).forEach(function (row) { body.appendChild(row); });
        direction = -direction;
      });
    });
  });
})();
