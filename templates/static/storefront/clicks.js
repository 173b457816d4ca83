// Tells the shop which product of a search was looked at. Links lead where they lead with or without this.
"use strict";
{
  const list = document.querySelector("[data-search]");
  const note = (event) => {
    // Any button but the right one, which opens a menu.
    const item = event.button === 2 ? null : event.target.closest("a") && event.target.closest("[data-sku]");
    if (!item) return;
    const { sku, position } = item.dataset;
    const body = { search_id: list.dataset.search, kind: "click", sku, position: Number(position) };
    navigator.sendBeacon?.(
      list.dataset.events,
      new Blob([JSON.stringify(body)], { type: "application/json" }),
    );
  };
  list?.addEventListener("click", note);
  list?.addEventListener("auxclick", note);
}
