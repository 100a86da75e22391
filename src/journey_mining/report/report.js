"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const token = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const island = (id) => JSON.parse(document.getElementById(id).textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const fade = (hex, alpha) => {
    const n = parseInt(hex.length === 4 ? hex.slice(1).replace(/./g, "$&$&") : hex.slice(1), 16);
    return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${alpha})`;
  };
  const count = (value) => Math.round(value).toLocaleString("en-US");
  const percent = (value) => (value * 100).toFixed(1) + "\u00a0%";
  const duration = (s) => s < 90 ? `${s.toFixed(0)}\u00a0s` : s < 5400 ? `${(s / 60).toFixed(1)}\u00a0min`
    : s < 129600 ? `${(s / 3600).toFixed(1)}\u00a0h` : `${(s / 86400).toFixed(1)}\u00a0d`;

  /* Copy SQL, CSV */
  const flash = (button, text) => {
    const label = button.dataset.label || (button.dataset.label = button.textContent);
    button.textContent = text;
    setTimeout(() => { button.textContent = label; }, 1600);
  };
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) throw new Error("clipboard refused");
    }
  };
  // A spreadsheet runs a cell that starts with one of these: an apostrophe makes it text. Numbers stay numbers.
  const csvCell = (text) => {
    const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? "'" + text : text;
    return /[",\n\r\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = (table) => all("tr", table).filter((row) => !row.querySelector(".none")).map((row) =>
    all("th,td", row).map((cell) => csvCell(cell.dataset.v ?? (cell.textContent === "\u2013" ? "" : cell.textContent))).join(",")
  ).join("\r\n") + "\r\n";
  const download = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) {
      const text = document.getElementById(button.dataset.copy + "-sql").textContent;
      copy(text).then(() => flash(button, "Copied"), () => flash(button, "Not allowed"));
    } else if (button.dataset.csv) {
      download(button.dataset.csv.replace("chart-", "") + ".csv", csv(document.getElementById(button.dataset.csv + "-table")));
    }
  });

  /* Tabs */
  const openTab = (tab) => {
    for (const other of all("[role=tab]", tab.parentElement)) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    drawSankeys();
  };
  for (const tab of all("[role=tab]")) {
    tab.addEventListener("click", () => openTab(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const tabs = all("[role=tab]", tab.parentElement);
      const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
      openTab(next);
      next.focus();
    });
  }

  /* Sankey */
  const nodeColour = (role, hue) => ({
    converted: token("--good"), left: token("--exit"), open: token("--open"), beyond: token("--line-2"),
    start: token("--exit"), other: token("--hue-x"),
  })[role] || token("--hue-" + hue);
  const linkColour = (node, source, target) => {
    const role = node.role[target];
    if (role === "converted") return fade(token("--good"), .38);
    if (role === "left" || role === "open") return fade(token("--exit"), .2);
    const base = node.role[source] === "touchpoint" ? token("--hue-" + node.hue[source]) : token("--hue-x");
    return fade(base, .22);
  };
  const drawSankey = (box, width) => {
    const data = island(box.dataset.island);
    const { node, link } = data;
    const ink = token("--ink");
    const label = { bgcolor: ink, bordercolor: ink, font: { color: token("--surface"), size: 12.5 }, align: "left" };
    const trace = {
      type: "sankey", arrangement: "fixed", orientation: "h", textfont: { size: 12, color: ink },
      node: {
        label: node.label, x: node.x, y: node.y, pad: data.pad, thickness: 13, align: data.align, line: { width: 0 },
        color: node.role.map((role, i) => nodeColour(role, node.hue[i])),
        customdata: node.hover, hovertemplate: "%{customdata}<extra></extra>", hoverlabel: label,
      },
      link: {
        source: link.source, target: link.target, value: link.value,
        color: link.source.map((source, i) => linkColour(node, source, link.target[i])),
        customdata: link.hover, hovertemplate: "%{customdata}<extra></extra>", hoverlabel: label,
      },
    };
    const layout = {
      height: data.height, width, margin: data.margin, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: ink },
      annotations: data.headings.map((heading) => ({
        text: heading.text, x: heading.x, y: 1, yshift: 22, xref: "paper", yref: "paper", showarrow: false,
        xanchor: heading.x < .01 ? "left" : heading.x > .99 ? "right" : "center",
        font: { size: 12, color: token("--ink-3") },
      })),
    };
    // Not Plotly.react: it lets nodes glide to their new places for half a second, and a print would catch them there.
    Plotly.purge(box);
    return Plotly.newPlot(box, [trace], layout, { displayModeBar: false, responsive: false, staticPlot: false });
  };
  const drawSankeys = (fixed) => {
    for (const box of all(".flow-plot")) {
      if (fixed || box.offsetParent) drawSankey(box, fixed || box.clientWidth);
    }
  };

  /* Transition map */
  const NS = "http://www.w3.org/2000/svg";
  const svg = (name, attributes, parent, text) => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };
  const metrics = {
    n: (e) => count(e.n), p: (e) => percent(e.p ?? 0), m: (e) => e.m === null ? "" : duration(e.m),
    l: (e) => e.l === null ? "" : "×\u2009" + e.l.toFixed(2),
  };
  const tip = document.getElementById("tip");
  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = Math.max(8, Math.min(x + 14, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = (y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 18) + "px";
  };
  const describeEdge = (data, e) => [
    `${data.nodes[e.s].name} → ${data.nodes[e.t].name}`, `${count(e.n)} journeys`, `${percent(e.p)} of all moves from there`,
    e.m === null ? "" : `median time ${duration(e.m)}`,
    e.c === null ? "" : `${percent(e.c)} convert` + (e.l === null ? "" : `, lift ${e.l.toFixed(2)}`),
  ].filter(Boolean).join("\n");
  const drawMap = (box, data, metric, share) => {
    const picture = svg("svg", { viewBox: `0 0 ${data.width} ${data.height}`, role: "img", "aria-label": "Transition map" });
    for (const column of data.columns) {
      if (!column.label) continue;
      svg("line", { class: "lane", x1: column.x, x2: column.x, y1: 34, y2: data.height - 6 }, picture);
      svg("text", { class: "col", x: column.x, y: 20 }, picture, column.label);
    }
    const edges = data.edges.filter((e, i) => i === 0 || data.edges[i - 1].cover < share);
    const widest = Math.max(...data.edges.map((e) => e.n), 1);
    const drawn = edges.map((e) => svg("path", {
      class: "edge" + (e.back ? " back" : "") + (e.exit ? " exit" : ""), d: e.d, "stroke-width": (1 + 13 * Math.sqrt(e.n / widest) ** 1.6).toFixed(2),
      "stroke-opacity": ((e.exit ? .55 : 1) * (.2 + .5 * (e.p ?? 0) ** .6)).toFixed(3),
    }, picture));
    const labelled = chooseLabelled(edges);
    const tags = edges.map((e) => svg("text", { class: "tag", x: e.lx, y: e.ly, visibility: labelled.has(e) ? "visible" : "hidden" }, picture, metrics[metric](e)));
    const used = new Set(edges.flatMap((e) => [e.s, e.t]));
    const nodes = data.nodes.map((n, i) => drawNode(picture, data, n, used.has(i)));
    const light = (keep) => edges.forEach((e, i) => {
      drawn[i].classList.toggle("faded", !!keep && !keep(e));
      tags[i].setAttribute("visibility", (keep ? keep(e) : labelled.has(e)) ? "visible" : "hidden");
    });
    drawn.forEach((path, i) => {
      path.addEventListener("pointermove", (event) => { light((e) => e === edges[i]); showTip(describeEdge(data, edges[i]), event.clientX, event.clientY); });
      path.addEventListener("pointerleave", () => { light(); tip.hidden = true; });
    });
    nodes.forEach((group, i) => {
      const n = data.nodes[i];
      const on = () => light((e) => e.s === i || e.t === i);
      group.addEventListener("focus", on);
      group.addEventListener("blur", () => light());
      group.addEventListener("pointermove", (event) => { on(); showTip(`${n.name}\n${count(n.v)} steps`, event.clientX, event.clientY); });
      group.addEventListener("pointerleave", () => { light(); tip.hidden = true; });
    });
    box.style.minWidth = Math.round(data.width * .8) + "px";
    box.style.maxWidth = Math.round(data.width * 1.15) + "px";
    box.replaceChildren(picture);
    return edges.length ? edges.at(-1).cover : 0;
  };
  // The most frequent transitions get a label, unless it would lie on another one.
  const chooseLabelled = (edges) => {
    const chosen = [];
    for (const e of edges) {
      const free = chosen.every((other) => Math.abs(other.lx - e.lx) > 38 || Math.abs(other.ly - e.ly) > 13);
      if (!e.exit && free && chosen.length < 28) chosen.push(e);
    }
    return new Set(chosen);
  };
  const drawNode = (picture, data, n, used) => {
    const { h } = data.node;
    const w = n.w;
    const group = svg("g", { class: used ? "node" : "node unused", tabindex: 0, transform: `translate(${n.x - w / 2} ${n.y - h / 2})`, "aria-label": `${n.name}, ${count(n.v)} steps` }, picture);
    svg("rect", { class: "box", width: w, height: h, rx: n.boundary ? h / 2 : 7 }, group);
    if (!n.boundary) svg("rect", { x: 0, y: 7, width: 4, height: h - 14, rx: 2, fill: `var(--hue-${n.hue})` }, group);
    const left = n.boundary ? 17 : 13;
    svg("text", { class: "name", x: left, y: 17 }, group, n.label);
    svg("text", { class: "vol", x: left, y: 31 }, group, count(n.v));
    return group;
  };
  const startMap = () => {
    const box = document.getElementById("transition-map");
    if (!box) return;
    const data = island(box.dataset.island);
    const metric = document.getElementById("map-metric");
    const range = document.getElementById("map-coverage");
    const most = data.edges.length ? data.edges.at(-1).cover : 0;
    range.max = Math.max(5, Math.ceil(most * 100));
    range.value = Math.min(60, range.max);
    const redraw = () => {
      const covered = drawMap(box, data, metric.value, Number(range.value) / 100);
      document.getElementById("map-covered").textContent = percent(covered);
    };
    metric.addEventListener("change", redraw);
    range.addEventListener("input", redraw);
    redraw();
  };

  /* Touchpoints: sort and filter */
  const sortBy = (table, header) => {
    const column = header.cellIndex;
    const numeric = header.classList.contains("num");
    const first = numeric ? "descending" : "ascending";
    const order = header.getAttribute("aria-sort") === first ? (numeric ? "ascending" : "descending") : first;
    all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
    const key = (row) => {
      const cell = row.cells[column];
      const text = cell?.dataset.v ?? cell?.textContent ?? "";
      if (!numeric) return text.toLowerCase();
      const value = Number(text.replace(/[<\s,]/g, ""));
      return Number.isNaN(value) ? -Infinity : value;
    };
    const rows = all("tbody tr", table).map((row) => [key(row), row]);
    const sign = order === "ascending" ? 1 : -1;
    rows.sort(([a], [b]) => sign * (a < b ? -1 : a > b ? 1 : 0));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of all("table.sortable")) {
    table.tHead.addEventListener("click", (event) => {
      const header = event.target.closest("th");
      if (header) sortBy(table, header);
    });
  }
  const filter = document.getElementById("touchpoint-filter");
  const table = document.getElementById("chart-touchpoints-table");
  const applyFilter = () => {
    const wanted = filter.value.trim().toLowerCase();
    const rows = all("tbody tr", table);
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    document.getElementById("touchpoint-shown").textContent = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
  };
  filter.addEventListener("input", applyFilter);

  /* Navigation follows the scroll position */
  const links = new Map(all(".nav a").map((link) => [link.hash.slice(1), link]));
  const mark = (id) => {
    for (const [key, link] of links) {
      if (key === id) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    }
    const list = document.querySelector(".nav ul");
    const link = links.get(id);
    if (link && list.scrollWidth > list.clientWidth) list.scrollTo({ left: link.offsetLeft - list.offsetLeft - 40 });
  };
  const follow = () => {
    const passed = all("main > section").filter((section) => section.getBoundingClientRect().top < innerHeight * .35);
    const atEnd = innerHeight + scrollY >= document.body.scrollHeight - 4;
    mark((atEnd ? all("main > section").at(-1) : passed.at(-1) ?? document.querySelector("main > section")).id);
  };
  let queued = false;
  const later = (action) => () => {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; action(); });
  };
  addEventListener("scroll", later(follow), { passive: true });

  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawSankeys();
    follow();
  });
  dark.addEventListener("change", () => drawSankeys());
  // Paper is white and shows every tab; report.css scales what is drawn here to the width of a sheet.
  addEventListener("beforeprint", () => {
    root.dataset.print = "";
    drawSankeys(1380);
  });
  addEventListener("afterprint", () => {
    delete root.dataset.print;
    drawSankeys();
  });

  startMap();
  if (window.Plotly) drawSankeys();
  follow();
  root.dataset.ready = "true";
})();
