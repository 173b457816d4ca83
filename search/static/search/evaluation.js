// Follows an evaluation until it is over: fetches its figures as HTML.
"use strict";
{
  const INTERVAL_MS = 1500;
  const SLOW_MS = 10000; // after a failure: the server may be restarting
  const place = document.getElementById("evaluation");

  const isOver = () => document.getElementById("evaluation-figures").dataset.over === "true";

  const refresh = async () => {
    let pause = INTERVAL_MS;
    if (!document.hidden) {
      try {
        const response = await fetch(place.dataset.url, { credentials: "same-origin", redirect: "error" });
        if (response.status === 403 || response.status === 404) return;
        if (!response.ok) throw new Error(response.statusText);
        const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
        place.innerHTML = await response.text();
        if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      } catch (error) {
        pause = SLOW_MS;
      }
    }
    if (!isOver()) setTimeout(refresh, pause);
  };

  if (!isOver()) setTimeout(refresh, INTERVAL_MS);
}
