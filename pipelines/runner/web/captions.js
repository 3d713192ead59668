// SPDX-License-Identifier: MPL-2.0
// Who said what. Words of an answer are grey until they have been heard.

export class Captions {
  #list;
  #partial = null;
  #answers = new Map(); // utterance id → { line, words: [{ node, start, end }] }

  constructor(list) {
    this.#list = list;
  }

  #line(who) {
    const line = document.createElement("li");
    line.className = who;
    this.#list.append(line);
    while (this.#list.children.length > 200) this.#list.firstElementChild.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
    return line;
  }

  /** What the recogniser takes the caller to have said. */
  said(text, final) {
    if (!text && !this.#partial) return;
    this.#partial ??= this.#line("you");
    this.#partial.textContent = text;
    this.#partial.classList.toggle("partial", !final);
    if (final && !text) this.#partial.remove();
    if (final) this.#partial = null;
  }

  #answer(id) {
    let answer = this.#answers.get(id);
    if (!answer) {
      answer = { line: this.#line("it"), words: [] };
      answer.line.dataset.utterance = id;
      this.#answers.set(id, answer);
      while (this.#answers.size > 50) this.#answers.delete(this.#answers.keys().next().value);
    }
    return answer;
  }

  /** A word of an answer: where it begins and ends, on the scale that `heard` counts on. */
  word(id, text, start, end) {
    const answer = this.#answer(id);
    // A word that was cut is said again when the answer goes on.
    const again = answer.words.findIndex((word) => word.text === text && Math.abs(word.begin - start) < 1);
    if (again >= 0) return;
    const node = document.createElement("span");
    node.textContent = `${answer.words.length ? " " : ""}${text}`;
    answer.line.append(node);
    answer.words.push({ node, text, begin: start, end });
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** So far an answer has left the loudspeaker. A word is heard when half of it has. */
  heard(id, position) {
    for (const word of this.#answers.get(id)?.words ?? []) {
      if (position >= (word.begin + word.end) / 2) word.node.className = "heard";
    }
  }

  /** The server's own account at the end, which counts. */
  ended(id, heard, unheard) {
    if (heard === undefined && unheard === undefined) {
      for (const word of this.#answers.get(id)?.words ?? []) word.node.className = "heard";
      return;
    }
    const answer = this.#answer(id);
    const part = (text, name) => {
      const node = document.createElement("span");
      node.className = name;
      node.textContent = text;
      return node;
    };
    answer.words = [];
    answer.line.replaceChildren(part(heard ?? "", "heard"), part(unheard ? ` ${unheard}` : "", "cut"));
  }
}
