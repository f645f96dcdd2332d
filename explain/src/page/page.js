
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const graph = document.getElementById("graph");
  const svg = graph.querySelector("svg");
  document.body.classList.add("scripted");

  // Panes.
  const show = id => {
    all(".pane").forEach(pane => pane.classList.toggle("on", pane.id === id));
    all("nav a").forEach(link => link.classList.toggle("on", link.hash === "#" + id));
  };
  all("nav a").forEach(link => link.addEventListener("click", event => { event.preventDefault(); show(link.hash.slice(1)); }));
  show(document.querySelector(".pane").id);

  // One block of the body, everywhere.
  const pick = (block, from) => {
    all(".picked").forEach(element => element.classList.remove("picked"));
    all(`[data-block="${block}"]`).forEach(element => element.classList.add("picked"));
    all(".edge").forEach(edge => edge.classList.toggle("near", edge.dataset.from === block || edge.dataset.to === block));
    const reveal = element => element && element.scrollIntoView({ block: "center", inline: "center", behavior: "smooth" });
    if (from !== "graph") reveal(document.querySelector(`.block[data-block="${block}"]`));
    if (from !== "side") reveal(document.querySelector(`.pane.on [data-block="${block}"]`));
  };
  let moved = false;
  all(".block").forEach(block => block.addEventListener("click", () => { if (!moved) pick(block.dataset.block, "graph"); }));
  document.getElementById("side").addEventListener("click", event => {
    if (event.target.closest("a")) return;
    const line = event.target.closest("[data-block]");
    if (line) pick(line.dataset.block, "side");
  });

  // Zoom and drag.
  const width = svg.width.baseVal.value, height = svg.height.baseVal.value;
  let scale = 1;
  const zoom = (to, x, y) => {
    const next = Math.min(4, Math.max(0.05, to)), factor = next / scale;
    scale = next;
    svg.setAttribute("width", width * scale);
    svg.setAttribute("height", height * scale);
    graph.scrollLeft = (graph.scrollLeft + x) * factor - x;
    graph.scrollTop = (graph.scrollTop + y) * factor - y;
  };
  const at = event => { const box = graph.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  graph.addEventListener("wheel", event => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(scale * Math.exp(-event.deltaY / 300), ...at(event));
  }, { passive: false });
  graph.addEventListener("keydown", event => {
    const factor = { "+": 1.25, "-": 0.8 }[event.key];
    if (factor) zoom(scale * factor, graph.clientWidth / 2, graph.clientHeight / 2);
    if (event.key === "0") zoom(1, 0, 0);
  });
  let held = null;
  graph.addEventListener("pointerdown", event => { held = [event.clientX, event.clientY, graph.scrollLeft, graph.scrollTop]; moved = false; });
  window.addEventListener("pointerup", () => { held = null; graph.classList.remove("drag"); });
  window.addEventListener("pointermove", event => {
    if (!held) return;
    const dx = event.clientX - held[0], dy = event.clientY - held[1];
    if (Math.abs(dx) + Math.abs(dy) > 4) { moved = true; graph.classList.add("drag"); }
    if (moved) { graph.scrollLeft = held[2] - dx; graph.scrollTop = held[3] - dy; }
  });

  // The first block in sight, wide drawings fit.
  const first = svg.querySelector(".block rect");
  if (width > graph.clientWidth) zoom(Math.max(0.35, graph.clientWidth / width), 0, 0);
  if (first) graph.scrollLeft = (first.x.baseVal.value + first.width.baseVal.value / 2) * scale - graph.clientWidth / 2;
})();
