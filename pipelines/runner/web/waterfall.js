// SPDX-License-Identifier: MPL-2.0
// Where the time between the caller's last word and the answer's first sample went, turn by turn.

const COLOURS = ["#0b5394", "#b8860b", "#2e8b57", "#8e44ad", "#b00020", "#5d6d7e", "#d35400"];

export class Waterfall {
  #turns = 0;

  constructor({ picture, rows, none }) {
    Object.assign(this, { picture, rows, none });
  }

  /** `stages`: [{ name, ms }], one after another. */
  show(stages) {
    const known = stages.filter(({ ms }) => Number.isFinite(ms) && ms >= 0);
    if (!known.length) return;
    this.#turns++;
    const total = known.reduce((sum, { ms }) => sum + ms, 0);
    this.none.hidden = true;
    this.picture.hidden = false;
    this.picture.replaceChildren();
    let since = 0;
    known.forEach(({ name, ms }, n) => {
      const row = document.createElement("div");
      row.className = "row";
      const [label, bar, figure] = ["span", "span", "span"].map((tag) => document.createElement(tag));
      label.textContent = name;
      bar.className = "bar";
      const mark = document.createElement("i");
      mark.style.left = `${(100 * since) / total}%`;
      mark.style.width = `${(100 * ms) / total}%`;
      mark.style.background = COLOURS[n % COLOURS.length];
      bar.append(mark);
      figure.textContent = `${Math.round(ms)} ms`;
      row.append(label, bar, figure);
      this.picture.append(row);
      since += ms;
    });
    const told = known.map(({ name, ms }) => `${name} ${Math.round(ms)} ms`).join(", ");
    this.picture.setAttribute("aria-label", `Turn ${this.#turns}: ${Math.round(total)} ms in all: ${told}`);
    this.#row(known, total);
  }

  #row(stages, total) {
    const row = document.createElement("tr");
    const cells = [`${this.#turns}`, ...stages.map(({ name, ms }) => `${name}: ${Math.round(ms)} ms`), `all: ${Math.round(total)} ms`];
    for (const text of cells) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    this.rows.prepend(row);
    while (this.rows.children.length > 30) this.rows.lastElementChild.remove();
  }
}
