"use strict";
// The page is complete without this: it adds hover, sorting and filtering.
(() => {
  const row = (link) => document.getElementById(link.getAttribute("href").slice(1));
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);

  const show = (link) => {
    const found = row(link);
    if (!found) return;
    tip.replaceChildren();
    for (const cell of found.cells) {
      const text = cell.textContent.trim();
      if (!text || text === "–") continue;
      const line = document.createElement(cell.classList.contains("whole") ? "code" : "div");
      line.textContent = (cell.dataset.name ? cell.dataset.name + " " : "") + text.slice(0, 600);
      tip.append(line);
    }
    tip.hidden = false;
    const at = link.getBoundingClientRect();
    const left = Math.min(at.left + scrollX, scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(scrollX + 4, left) + "px";
    const below = at.bottom + tip.offsetHeight + 12 < innerHeight;
    tip.style.top = scrollY + (below ? at.bottom + 8 : at.top - tip.offsetHeight - 8) + "px";
  };
  document.querySelectorAll(".plot a[href]").forEach((link) => {
    link.querySelector("title").remove(); // the browser's own tip would cover ours
    link.addEventListener("mouseenter", () => show(link));
    link.addEventListener("mouseleave", () => { tip.hidden = true; });
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  document.querySelectorAll("table.sortable").forEach((table) => {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    // A failed query has fewer cells: then nothing stands in the column.
    const key = (line, column) => {
      const cell = [...line.cells].find((c) => c.dataset.name === heads[column].dataset.sort);
      const text = cell ? cell.dataset.value ?? cell.textContent.trim() : "";
      const value = Number(text);
      return text === "" || text === "–" ? null : Number.isNaN(value) ? text : value;
    };
    heads.forEach((head, column) => {
      if (!head.dataset.sort) return;
      head.tabIndex = 0;
      const sort = () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const lines = [...body.rows].map((line) => [key(line, column), line]);
        lines.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null);
          const order = typeof a === typeof b && typeof a === "number" ? a - b : String(a).localeCompare(String(b));
          return up ? order : -order;
        });
        body.append(...lines.map(([, line]) => line));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
    const tools = table.parentElement.querySelector(".tools");
    if (!tools) return;
    tools.hidden = false;
    const count = tools.querySelector("output");
    tools.querySelector("input").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const line of body.rows) {
        const text = line.textContent.toLowerCase();
        line.hidden = !words.every((word) => text.includes(word));
        shown += !line.hidden;
      }
      count.textContent = words.length ? `${shown} of ${body.rows.length}` : "";
    });
  });
})();
