// Keeps the dashboard's figures up to date: fetches them as HTML and replaces the parts that changed.
"use strict";
{
  const INTERVAL_MS = 3000;
  const SLOW_MS = 15000; // after a failure: the server may be restarting

  const live = document.getElementById("dash-live");
  const parts = (root) => new Map([...root.querySelectorAll("[data-live]")].map((part) => [part.id, part]));
  // The HTML of each part as it came: what the reader has opened meanwhile does not count as a change.
  const shown = new Map([...parts(live)].map(([id, part]) => [id, part.outerHTML]));

  const replace = (old, fresh) => {
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const opened of old.querySelectorAll("details[open][id]")) {
      fresh.querySelector(`#${CSS.escape(opened.id)}`)?.setAttribute("open", "");
    }
    old.replaceWith(fresh);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const update = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = parts(template.content);
    if (!fresh.size) throw new Error("no figures");
    const known = parts(live);
    if ([...fresh.keys()].join() !== [...known.keys()].join()) {
      location.reload(); // a part came or went, such as the one of the active model
      return;
    }
    for (const [id, part] of fresh) {
      if (shown.get(id) === part.outerHTML) continue;
      shown.set(id, part.outerHTML);
      replace(known.get(id), part);
    }
  };

  const refresh = async () => {
    let pause = INTERVAL_MS;
    if (!document.hidden) {
      try {
        const response = await fetch(live.dataset.url, { credentials: "same-origin", redirect: "error" });
        if (response.status === 403) return;
        if (!response.ok) throw new Error(response.statusText);
        update(await response.text());
      } catch (error) {
        pause = SLOW_MS;
      }
    }
    setTimeout(refresh, pause);
  };

  setTimeout(refresh, INTERVAL_MS);
}
