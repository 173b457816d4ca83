// Comforts only: every page works without this file.
"use strict";

// A picture that does not load leaves its placeholder alone; one that does covers it.
for (const picture of document.querySelectorAll(".picture img")) {
  const settle = () => picture.parentElement.classList.add(picture.naturalWidth > 0 ? "is-loaded" : "is-missing");
  if (picture.complete) {
    settle();
  } else {
    picture.addEventListener("load", settle);
    picture.addEventListener("error", settle);
  }
}

// Fields left blank stay out of the address.
const form = document.getElementById("search");
if (form) {
  const nameless = [];
  form.addEventListener("submit", () => {
    for (const field of form.elements) {
      if (field.name && field.value === "" && field.type !== "submit" && !field.disabled) {
        field.disabled = true;
        nameless.push(field);
      }
    }
  });
  // A page that comes back from the browser's memory must be usable again.
  window.addEventListener("pageshow", () => {
    while (nameless.length) {
      nameless.pop().disabled = false;
    }
  });
}

// Browsers that cannot show the content of a closed <details> get it opened where the style sheet unfolds it.
const filters = document.querySelector(".filters-fold");
if (filters && !CSS.supports("selector(::details-content)")) {
  const narrow = window.matchMedia("(max-width: 56rem)");
  const fold = () => {
    filters.open = !narrow.matches;
  };
  fold();
  narrow.addEventListener("change", fold);
}
