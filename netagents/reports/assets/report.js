(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  var number = function (value) {
    if (value === null) { return "unknown"; }
    return String(Number(value.toPrecision(3)));
  };

  // Charts: a vertical line follows the pointer and the values under it are written above the chart.
  document.querySelectorAll("svg[data-chart]").forEach(function (svg) {
    var chart = JSON.parse(svg.dataset.chart);
    var cursor = svg.querySelector(".cursor"), readout = svg.parentNode.querySelector(".readout");
    var show = function (event) {
      var frame = svg.getBoundingClientRect(), box = chart.box;
      var along = ((event.clientX - frame.left) / frame.width * chart.width - box[0]) / box[2];
      var wanted = chart.range[0] + along * (chart.range[1] - chart.range[0]), best = 0;
      chart.x.forEach(function (x, at) { if (Math.abs(x - wanted) < Math.abs(chart.x[best] - wanted)) { best = at; } });
      var place = box[0] + (chart.x[best] - chart.range[0]) / ((chart.range[1] - chart.range[0]) || 1) * box[2];
      cursor.setAttribute("x1", place); cursor.setAttribute("x2", place); cursor.style.visibility = "visible";
      readout.textContent = "iteration " + chart.x[best] + ": " + chart.series.map(function (one) {
        return one.name + " " + number(one.y[best]);
      }).join(" · ");
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerleave", function () { cursor.style.visibility = "hidden"; readout.textContent = ""; });
  });

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
      figure.addEventListener("click", function () { choose(Number(figure.dataset.frame)); });
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
      head.addEventListener("click", function () {
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
