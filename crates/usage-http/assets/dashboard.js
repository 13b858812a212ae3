// Makes the dashboard quicker to use. Everything works without it.
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within = document) => within.querySelectorAll(selector);

  // Which buttons a script makes needless.
  for (const button of all("[data-hide-with-script]")) button.hidden = true;
  for (const form of all("[data-auto-submit]")) {
    form.addEventListener("change", () => form.requestSubmit());
  }

  // What is asked for takes a moment: until it comes, what stands there is not the answer.
  const main = document.querySelector("main");
  document.addEventListener("submit", (event) => {
    if (main && !event.defaultPrevented && event.target.method === "get") main.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => main && main.removeAttribute("aria-busy"));

  // The theme changes without another page.
  for (const form of all("[data-theme-switch]")) {
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (!button || !button.value) return;
      event.preventDefault();
      root.dataset.theme = button.value;
      for (const other of all("button", form)) other.setAttribute("aria-pressed", String(other === button));
      fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, button)), redirect: "manual" });
    });
  }

  // Only one list of a filter is open, and Escape or a click beside it closes it.
  const picks = all("details.pick");
  const close = (except) => picks.forEach((pick) => { if (pick !== except) pick.open = false; });
  for (const pick of picks) {
    pick.addEventListener("toggle", () => { if (pick.open) close(pick); });
    const list = pick.querySelector("div");
    const labels = [...all("label", list)];
    if (labels.length < 9) continue;
    const search = Object.assign(document.createElement("input"), { type: "search", placeholder: "Find…" });
    search.setAttribute("aria-label", "Find in this list");
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase();
      for (const label of labels) label.hidden = !label.textContent.toLowerCase().includes(wanted);
    });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    list.prepend(search);
  }
  document.addEventListener("click", (event) => {
    if (!event.target.closest("details.pick")) close(null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.pick[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  });

  // What a day of a chart says, at once and beside the pointer.
  for (const chart of all("[data-chart]")) {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    chart.append(tip);
    for (const hit of all(".hits rect", chart)) {
      const title = hit.querySelector("title");
      if (!title) continue;
      const text = title.textContent;
      title.remove();
      hit.addEventListener("pointerenter", () => {
        tip.textContent = text;
        tip.hidden = false;
        const place = hit.getBoundingClientRect();
        const whole = chart.getBoundingClientRect();
        const middle = place.left - whole.left + place.width / 2;
        const left = middle + tip.offsetWidth + 14 > whole.width ? middle - tip.offsetWidth - 10 : middle + 10;
        tip.style.left = `${Math.max(0, left)}px`;
        tip.style.top = "8px";
      });
      hit.addEventListener("pointerleave", () => { tip.hidden = true; });
    }
  }

  // A secret is copied with one click.
  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = "Copied";
    });
  }
})();
