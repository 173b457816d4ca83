// Follows an evaluation until it is over: fetches its figures as HTML.
"use strict";
{
  const INTERVAL_MS = 1500;
  const SLOW_MS = 10000; // after a failure: the server may be restarting
  const place = document.getElementById("evaluation");
  let shown = "";

  const isOver = () => document.getElementById("evaluation-figures").dataset.over === "true";

  const stops = () => [...place.querySelectorAll("a[href], button, summary")];

  // Who goes on by keyboard stays where they are: at what has the same id, or is as many stops from the beginning.
  const show = (html) => {
    const focused = document.activeElement;
    const stop = stops().indexOf(focused);
    place.innerHTML = shown = html;
    const again = focused.id ? document.getElementById(focused.id) : stops()[stop];
    if (stop >= 0) again?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    let pause = INTERVAL_MS;
    if (!document.hidden) {
      try {
        const response = await fetch(place.dataset.url, { credentials: "same-origin", redirect: "error" });
        if (response.status === 403 || response.status === 404) return;
        if (!response.ok) throw new Error(response.statusText);
        const html = await response.text();
        if (html !== shown) show(html);
      } catch (error) {
        pause = SLOW_MS;
      }
    }
    if (!isOver()) setTimeout(refresh, pause);
  };

  if (!isOver()) setTimeout(refresh, INTERVAL_MS);
}
