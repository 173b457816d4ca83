// Keeps the badges of products that are not settled yet up to date, without a reload; and what a product's page says
// beside its badge.
"use strict";
{
  const INTERVAL_MS = 700;
  const GIVE_UP_MS = 10 * 60 * 1000;
  const started = Date.now();

  const unsettled = () => [...document.querySelectorAll('.embedding-badge[data-settled="false"]')];

  const refresh = async () => {
    const badges = unsettled();
    if (!badges.length || Date.now() - started > GIVE_UP_MS) return;
    if (!document.hidden) {
      const ids = [...new Set(badges.map((badge) => badge.dataset.product))].join(",");
      try {
        const query = new URLSearchParams({ ids });
        const model = new URLSearchParams(location.search).get("embedding_model");
        if (model) query.set("embedding_model", model);
        const response = await fetch(`${badgeUrl()}?${query}`, { credentials: "same-origin" });
        if (!response.ok) return;
        const found = await response.json();
        let changed = false;
        for (const badge of badges) {
          const html = found[badge.dataset.product];
          if (html === undefined) continue;
          const template = document.createElement("template");
          template.innerHTML = html;
          changed ||= template.content.textContent !== badge.textContent;
          badge.replaceWith(template.content);
        }
        if (changed) await refreshPanel();
      } catch (error) {
        // The server may be restarting; the next look will tell.
      }
    }
    setTimeout(refresh, INTERVAL_MS);
  };

  // What is being typed, and its preview, stay as they are.
  const refreshPanel = async () => {
    const panel = document.querySelector(".embedding-panel[data-url]");
    if (!panel) return;
    const response = await fetch(panel.dataset.url, { credentials: "same-origin" });
    if (!response.ok) return;
    const template = document.createElement("template");
    template.innerHTML = await response.text();
    for (const part of template.content.querySelectorAll("[data-live]")) {
      document.getElementById(part.id).replaceWith(part);
    }
  };

  // The admin's address of products, wherever the site is mounted.
  const badgeUrl = () => location.pathname.replace(/(\/catalog\/product\/).*$/, "$1embedding-status/");

  document.addEventListener("DOMContentLoaded", () => setTimeout(refresh, INTERVAL_MS / 2));
}
