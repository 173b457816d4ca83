// Completions under the search box, after the ARIA pattern of a combobox with a list box: the focus stays in the
// field, arrows walk the list, and nothing is chosen that the visitor did not choose.
"use strict";

class Completions {
  static PAUSE_MS = 120; // between the last key and the question

  constructor(input) {
    this.input = input;
    this.form = input.form;
    this.options = [];
    this.suggestions = [];
    this.active = -1;
    this.list = this.make("ul", "completions");
    this.list.id = "completions";
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Suggestions");
    this.status = this.make("p", "unseen");
    this.status.setAttribute("role", "status");
    input.after(this.list, this.status);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", this.list.id);
    input.setAttribute("aria-expanded", "false");
    this.listen();
  }

  listen() {
    this.input.addEventListener("input", () => this.askSoon());
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.input.addEventListener("blur", () => this.close());
    this.form.addEventListener("submit", () => this.close());
    // The field keeps the focus, and with it a phone its keyboard, while the list is touched.
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const place = this.options.findIndex((option) => option.contains(event.target));
      if (place >= 0) {
        this.choose(place);
      }
    });
  }

  press(event) {
    if (event.isComposing || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (this.isOpen()) {
        this.move(step);
      } else {
        this.ask();
      }
    } else if (event.key === "Escape" && this.isOpen()) {
      event.preventDefault(); // the next one empties the field, as browsers do
      this.close();
    } else if (event.key === "Enter" && this.active >= 0) {
      event.preventDefault();
      this.choose(this.active);
    }
  }

  askSoon() {
    this.forget();
    this.activate(-1); // who types on has left the list
    this.timer = window.setTimeout(() => this.ask(), Completions.PAUSE_MS);
  }

  async ask() {
    this.forget();
    const typed = this.input.value.trim();
    if (!typed) {
      this.close();
      return;
    }
    const question = new AbortController();
    this.question = question;
    try {
      const address = `${this.form.dataset.suggest}?${new URLSearchParams({ q: typed })}`;
      const response = await fetch(address, { signal: question.signal });
      const suggestions = response.ok ? (await response.json()).suggestions : [];
      if (!question.signal.aborted) {
        this.show(typed, suggestions);
      }
    } catch {
      // Aborted by the next key, or the server cannot be reached: searching works without completions.
      if (this.question === question) {
        this.close();
      }
    }
  }

  // Whatever is still to come was asked for another text.
  forget() {
    window.clearTimeout(this.timer);
    this.question?.abort();
    this.question = undefined;
  }

  show(typed, suggestions) {
    const active = this.suggestions[this.active];
    this.options = suggestions.map((suggestion, place) => this.option(typed, suggestion, place));
    this.suggestions = suggestions;
    this.list.replaceChildren(...this.options);
    this.open(suggestions.length > 0);
    // Whoever has walked into the list when a later answer comes stays where they are, if that is still there.
    this.activate(suggestions.findIndex((suggestion) => Completions.areSame(suggestion, active)));
    this.status.textContent = suggestions.length === 1 ? "1 suggestion" : `${suggestions.length} suggestions`;
  }

  static areSame(one, other) {
    return one.kind === other?.kind && one.text === other.text && one.target === other.target;
  }

  option(typed, { text, kind }, place) {
    const option = this.make("li", "completion");
    option.id = `completion-${place}`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.append(this.marked(typed, text));
    if (kind !== "phrase") {
      const note = this.make("span", "completion-kind");
      note.textContent = kind;
      option.append(" ", note);
    }
    return option;
  }

  // A text in which the words that were typed are plain, wherever they stand, and bold what completes them.
  marked(typed, text) {
    const marked = this.make("span", "completion-text");
    let end = 0;
    for (const { 1: before, 2: known, index } of text.matchAll(Completions.typedWords(typed))) {
      const start = index + before.length;
      marked.append(...this.bold(text.slice(end, start)), known);
      end = start + known.length;
    }
    marked.append(...this.bold(text.slice(end)));
    return marked;
  }

  bold(text) {
    if (!text.trim()) {
      return [text];
    }
    const bold = this.make("b");
    bold.textContent = text;
    return [bold];
  }

  // Finds whole words that were typed, and words that begin with the last one.
  static typedWords(typed) {
    const words = typed.match(/[\p{L}\p{N}]+/gu) ?? [];
    const last = words.pop();
    const whole = words.map((word) => `${word}(?![\\p{L}\\p{N}])`);
    return new RegExp(last ? `(^|[^\\p{L}\\p{N}])(${[...whole, last].join("|")})` : "(?!)", "giu");
  }

  move(step) {
    const count = this.options.length;
    // From the field itself, down leads to the first and up to the last.
    this.activate(this.active < 0 && step < 0 ? count - 1 : (this.active + step + count) % count);
  }

  activate(place) {
    this.options[this.active]?.setAttribute("aria-selected", "false");
    this.active = place;
    const option = this.options[place];
    if (option) {
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", option.id);
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  choose(place) {
    const { text, kind, target } = this.suggestions[place];
    const shop = this.form.getAttribute("action");
    this.close();
    if (kind === "phrase") {
      this.input.value = text;
      this.form.requestSubmit(this.form.querySelector(".search-go"));
    } else if (kind === "product") {
      window.location.assign(this.form.dataset.product.replace("SKU", encodeURIComponent(target)));
    } else {
      window.location.assign(`${shop}?${new URLSearchParams({ [kind]: target ?? text })}`);
    }
  }

  isOpen() {
    return !this.list.hidden;
  }

  open(isOpen) {
    this.activate(-1);
    this.list.hidden = !isOpen;
    this.list.scrollTop = 0;
    this.input.setAttribute("aria-expanded", String(isOpen));
  }

  close() {
    this.forget();
    this.open(false);
    this.status.textContent = "";
  }

  make(tag, name = "") {
    const element = document.createElement(tag);
    element.className = name;
    return element;
  }
}

const query = document.getElementById("q");
if (query?.form?.dataset.suggest) {
  new Completions(query);
}
