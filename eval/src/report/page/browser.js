// The browser of samples. Everything a sample says is set as text, never as markup; characters that would
// act on the display are shown as their code.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 150;
  // Controls but tab and line feed; marks that hide or turn the direction; halves of surrogate pairs.
  const ACTING =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") fill(made, value);
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  const code = (character) => "U+" + character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");

  // Sets text, marking what is searched for.
  function fill(node, text, sought = "") {
    let at = 0;
    for (const match of String(text).matchAll(ACTING)) {
      marked(node, text.slice(at, match.index), sought);
      node.append(element("span", { class: "control", title: "a control character" }, code(match[0])));
      at = match.index + match[0].length;
    }
    marked(node, String(text).slice(at), sought);
  }

  function marked(node, text, sought) {
    const lower = text.toLowerCase();
    let at = 0;
    // A letter may change its length in lower case: then nothing is marked.
    if (sought && lower.length === text.length) {
      for (let next; (next = lower.indexOf(sought, at)) >= 0; at = next + sought.length) {
        node.append(text.slice(at, next), element("mark", {}, text.slice(next, next + sought.length)));
      }
    }
    node.append(text.slice(at));
  }

  // A text is whole, or its beginning, the number of characters left out, and its end.
  const whole = (text) => (typeof text === "string" ? text : text[0] + "\n" + text[2]);

  function preformatted(text, sought) {
    const box = element("pre", { tabindex: "0" });
    if (typeof text === "string") {
      fill(box, text, sought);
    } else {
      fill(box, text[0], sought);
      box.append(element("span", { class: "gap" }, `… ${text[1].toLocaleString("en")} characters left out …`));
      fill(box, text[2], sought);
    }
    return box;
  }

  // Any value: objects and lists of objects as tables, everything else as text.
  function shownValue(value, sought) {
    if (value === null || typeof value !== "object") {
      return preformatted(typeof value === "string" ? value : String(value), sought);
    }
    if (Array.isArray(value)) return boxed(listTable(value, sought));
    // Lists and objects inside an object each get the full width, under their name.
    const nested = Object.entries(value).filter(([, inner]) => inner !== null && typeof inner === "object");
    const plain = Object.entries(value).filter(([, inner]) => inner === null || typeof inner !== "object");
    const box = element("div");
    if (plain.length > 0) box.append(boxed(fieldsTable(Object.fromEntries(plain), sought)));
    for (const [name, inner] of nested) {
      box.append(element("h4", { text: name }));
      box.append(boxed(Array.isArray(inner) ? listTable(inner, sought) : fieldsTable(inner, sought)));
    }
    return box;
  }

  const boxed = (table) => element("div", { class: "scroll", tabindex: "0" }, table);

  function cell(value, sought) {
    const made = element("td");
    if (value !== null && typeof value === "object") {
      made.append(Array.isArray(value) ? listTable(value, sought) : fieldsTable(value, sought));
    } else {
      fill(made, value === null || value === undefined ? "" : String(value), sought);
    }
    return made;
  }

  function fieldsTable(fields, sought) {
    const rows = Object.entries(fields).map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row", text: name }), cell(value, sought)),
    );
    return element("table", { class: "value" }, element("tbody", {}, ...rows));
  }

  function listTable(items, sought) {
    const objects = items.filter((item) => item !== null && typeof item === "object" && !Array.isArray(item));
    const names = [...new Set(objects.flatMap((item) => Object.keys(item)))];
    const table = element("table", { class: "value" });
    if (objects.length > 0) {
      const heads = names.map((name) => element("th", { scope: "col", text: name }));
      table.append(element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "#"), ...heads)));
    }
    const body = element("tbody");
    items.forEach((item, at) => {
      const row = element("tr", {}, element("th", { scope: "row" }, String(at + 1)));
      if (objects.includes(item)) row.append(...names.map((name) => cell(Object.hasOwn(item, name) ? item[name] : null, sought)));
      else row.append(cell(item, sought));
      body.append(row);
    });
    table.append(body);
    return table;
  }

  // One entry for each problem and sample index, with every arm's sample.
  const entries = [];
  const texts = new Map();
  {
    const places = new Map();
    for (const sample of data.samples) {
      const name = sample.problem + "/" + sample.index;
      if (!places.has(name)) {
        places.set(name, { problem: sample.problem, index: sample.index, samples: [] });
        entries.push(places.get(name));
      }
      places.get(name).samples.push(sample);
    }
    entries.sort((a, b) => a.problem - b.problem || a.index - b.index);
  }

  const verdictMeasures = data.measures.map((measure, at) => (measure.kind === "verdict" ? at : -1)).filter((at) => at >= 0);
  // How a sample fared by the headline measure; a reference that others are compared with has no number of it.
  function kind(sample) {
    const value = sample.values[0];
    if (!sample.graded) return "lost";
    if (value === null) return "none";
    if (value === 0.5 && data.measures[0].kind === "preference") return "tie";
    return value >= 1 ? "pass" : "fail";
  }
  const measuresDiffer = (sample) =>
    sample.graded && new Set(verdictMeasures.map((at) => sample.values[at] === 1)).size > 1;

  function searched(entry) {
    if (!texts.has(entry)) {
      const problem = data.problems[entry.problem];
      const parts = [problem.id, ...problem.prompt.map(([, text]) => whole(text))];
      for (const sample of entry.samples) {
        parts.push(whole(sample.completion), sample.verdict, sample.answer ? whole(sample.answer) : "");
      }
      texts.set(entry, parts.join("\n").toLowerCase());
    }
    return texts.get(entry);
  }

  const outcomes = {
    "": ["any", () => true],
    passed: ["passed", (samples) => samples.some((sample) => kind(sample) === "pass")],
    wrong: ["not passed", (samples) => samples.some((sample) => kind(sample) === "fail")],
    tie: ["tie", (samples) => samples.some((sample) => kind(sample) === "tie")],
    differ: ["arms differ", (_, entry) => new Set(entry.samples.map(kind).filter((one) => one !== "lost" && one !== "none")).size > 1],
    measures: ["measures differ", (samples) => samples.some(measuresDiffer)],
    cut: ["cut off at the limit", (samples) => samples.some((sample) => sample.finish === "length")],
    failed: ["failed, not graded", (samples) => samples.some((sample) => !sample.graded)],
  };

  const state = { arm: "", outcome: "", verdict: "", search: "", groups: data.groups.map(() => "") };
  let found = [];
  let limit = PAGE;
  let current = null;

  function keeps(entry) {
    const problem = data.problems[entry.problem];
    if (state.groups.some((value, at) => value !== "" && problem.groups[at] !== value)) return false;
    let samples = entry.samples;
    if (state.arm !== "") samples = samples.filter((sample) => sample.arm === Number(state.arm));
    if (state.verdict !== "") samples = samples.filter((sample) => sample.verdict === state.verdict);
    if (samples.length === 0 || !outcomes[state.outcome][1](samples, entry)) return false;
    return state.search === "" || searched(entry).includes(state.search);
  }

  function choice(title, id, options, set) {
    const select = element("select", { id, onchange: () => { set(select.value); refresh(); } });
    for (const [value, text] of options) select.append(element("option", { value, text }));
    return element("label", {}, title, select);
  }

  const distinct = (values) => [...new Set(values)].filter((value) => value !== null && value !== undefined).sort();

  function makeFilters() {
    const form = byId("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    const any = ["", "any"];
    form.append(choice("Arm", "filter-arm", [any, ...data.arms.map((arm, at) => [String(at), arm])], (value) => (state.arm = value)));
    form.append(choice("Outcome", "filter-outcome", Object.entries(outcomes).map(([key, [text]]) => [key, text]), (value) => (state.outcome = value)));
    const verdicts = distinct(data.samples.map((sample) => sample.verdict)).slice(0, 200);
    form.append(choice("Verdict", "filter-verdict", [any, ...verdicts.map((verdict) => [verdict, verdict])], (value) => (state.verdict = value)));
    data.groups.forEach((group, at) => {
      const values = distinct(data.problems.map((problem) => problem.groups[at]));
      form.append(choice(group, "filter-group-" + at, [any, ...values.map((value) => [value, value])], (value) => (state.groups[at] = value)));
    });
    const input = element("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false" });
    let timer = 0;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => { state.search = input.value.toLowerCase(); refresh(); }, 120);
    });
    form.append(element("label", { class: "wide" }, "Text in problem or answer", input));
  }

  const MARKS = {
    pass: ["✓", "passed"], fail: ["✗", "not passed"], tie: ["=", "tie"], none: ["·", "reference"], lost: ["!", "failed"],
  };

  function pips(entry) {
    const marks = entry.samples.map((sample) => {
      const [sign, meaning] = MARKS[kind(sample)];
      const said = `${data.arms[sample.arm]} ${meaning}`;
      return element("span", { class: kind(sample), title: said, role: "img", "aria-label": said }, sign);
    });
    return element("span", { class: "pips" }, ...marks);
  }

  function listItem(entry) {
    const problem = data.problems[entry.problem];
    const about = [...problem.groups.filter((value) => value !== null), "sample " + (entry.index + 1), entry.samples.map((s) => s.verdict).join(" · ")];
    const button = element(
      "button",
      { type: "button", onclick: () => { show(entry, true); tell(entry); }, "aria-current": String(entry === current) },
      element("span", { class: "id", text: problem.id }),
      pips(entry),
      element("span", { class: "sub", text: about.join(" · ") }),
    );
    entry.button = button;
    return element("li", {}, button);
  }

  function refresh() {
    found = entries.filter(keeps);
    limit = PAGE;
    drawList();
    if (found.length === 0) byId("shown").replaceChildren();
    else if (current === null || !found.includes(current)) show(found[0], false);
    else show(current, false);
  }

  function drawList() {
    for (const entry of entries) entry.button = null;
    byId("list").replaceChildren(...found.slice(0, limit).map(listItem));
    byId("more").hidden = found.length <= limit;
    byId("found").textContent = `${found.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")} attempts found`;
  }

  function facts(sample) {
    const parts = [];
    if (sample.tokens !== null) parts.push(`${sample.tokens.toLocaleString("en")} tokens`);
    if (sample.seconds !== null) parts.push(`${sample.seconds.toFixed(2)} s`);
    if (!["", "unknown", "scored"].includes(sample.finish)) parts.push("ended by " + sample.finish);
    return parts.join(" · ");
  }

  function answer(sample) {
    const [sign, meaning] = MARKS[kind(sample)];
    const box = element("section", { class: `answer a${sample.arm % 6}`, "aria-label": data.arms[sample.arm] });
    box.append(element("div", { class: "who", text: data.arms[sample.arm] }));
    const verdict = element("div", { class: `verdict ${kind(sample)}`, title: meaning }, sign + " ");
    fill(verdict, sample.verdict, state.search);
    box.append(verdict);
    if (!sample.graded) {
      // One whose grading failed is kept with what was said.
      if (whole(sample.completion) !== "") box.append(element("h4", {}, "Completion"), preformatted(sample.completion, state.search));
      return box;
    }
    const chips = data.measures.map((measure, at) => {
      const value = sample.values[at];
      const said = value === null ? "–" : measure.kind !== "score" ? (value === 1 ? "✓" : value === 0.5 ? "=" : "✗") : String(Number(value.toPrecision(5)));
      const chip = element("span", { class: "chip", title: measure.title });
      fill(chip, `${measure.name} ${said}`);
      return chip;
    });
    box.append(element("div", { class: "chips" }, ...chips));
    box.append(element("div", { class: "facts", text: facts(sample) }));
    if (sample.answer) box.append(element("h4", {}, "Taken as the answer"), preformatted(sample.answer, state.search));
    box.append(element("h4", {}, "Completion"), preformatted(sample.completion, state.search));
    if (sample.detail !== undefined) box.append(element("h4", {}, "Tests and details"), shownValue(sample.detail, state.search));
    return box;
  }

  function switcher(entry) {
    const same = entries.filter((other) => other.problem === entry.problem);
    const select = element("select", { id: "sample", "aria-label": "Sample of this problem", onchange: () => { show(same[Number(select.value)], false); tell(current); } });
    same.forEach((other, at) => {
      const marks = other.samples.map((sample) => MARKS[kind(sample)][0]).join(" ");
      select.append(element("option", { value: String(at), selected: other === entry }, `sample ${other.index + 1}  ${marks}`));
    });
    return select;
  }

  // What a reader who does not see the page is told of an attempt that was gone to: one line, not the attempt.
  function tell(entry) {
    const fates = entry.samples.map((sample) => `${data.arms[sample.arm]} ${MARKS[kind(sample)][1]}`);
    const told = byId("told");
    told.textContent = "";
    fill(told, `${data.problems[entry.problem].id}, sample ${entry.index + 1}: ${fates.join(", ")}`);
  }

  function show(entry, focus) {
    if (current && current.button) current.button.setAttribute("aria-current", "false");
    current = entry;
    if (entry.button) {
      entry.button.setAttribute("aria-current", "true");
      const list = byId("list");
      const top = entry.button.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 60) list.scrollTop = top - 60;
    }
    const problem = data.problems[entry.problem];
    const at = found.indexOf(entry);
    const step = (by, text, label) =>
      element("button", { type: "button", disabled: !found[at + by], "aria-label": label, onclick: () => go(by) }, text);
    const bar = element("div", { class: "bar" }, element("h3", { text: problem.id }), switcher(entry), step(-1, "←", "previous"), step(1, "→", "next"));
    const chips = problem.groups.map((value, at) => (value === null ? null : element("span", { class: "chip", text: `${data.groups[at]}: ${value}` })));
    const parts = [bar, element("div", { class: "chips" }, ...chips)];
    for (const [role, text] of problem.prompt) {
      parts.push(element("h4", { text: role ? `Prompt (${role})` : "Prompt" }), preformatted(text, state.search));
    }
    if (problem.reference !== null) parts.push(element("h4", {}, "Answer or tests"), shownValue(problem.reference, state.search));
    parts.push(element("div", { class: "answers" }, ...entry.samples.map(answer)));
    const shown = byId("shown");
    // A control that has the focus is made anew: its successor takes the focus over.
    const held = shown.contains(document.activeElement) ? document.activeElement : null;
    shown.replaceChildren(...parts);
    if (held) {
      const name = held.getAttribute("aria-label");
      const again = [...shown.querySelectorAll("button, select")].find((one) => name && one.getAttribute("aria-label") === name);
      (again && !again.disabled ? again : shown).focus({ preventScroll: true });
    }
    if (focus && matchMedia("(max-width: 760px)").matches) {
      shown.focus({ preventScroll: true });
      shown.scrollIntoView({ block: "start" });
    }
  }

  function go(by) {
    const next = found[found.indexOf(current) + by];
    if (!next) return;
    if (!next.button) {
      limit = found.indexOf(next) + PAGE;
      drawList();
    }
    show(next, false);
    tell(next);
  }

  // Letters act while something of the browser has the focus, and nowhere else (WCAG 2.1.4).
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    const inList = event.target.closest && event.target.closest("#list");
    if (event.key === "Escape" && event.target.id === "search") byId("shown").focus({ preventScroll: true });
    else if (typing) return;
    else if (event.key === "/") byId("search").focus();
    else if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
    else if (inList && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      go(event.key === "ArrowDown" ? 1 : -1);
      if (current.button) current.button.focus();
    } else return;
    event.preventDefault();
  }

  const themes = [["", "◐", "as the system"], ["light", "☀", "light"], ["dark", "☾", "dark"]];
  function nextTheme() {
    const root = document.documentElement;
    const at = themes.findIndex(([name]) => name === (root.dataset.theme || ""));
    const [name, sign, said] = themes[(at + 1) % themes.length];
    if (name) root.dataset.theme = name;
    else delete root.dataset.theme;
    byId("theme").textContent = sign;
    byId("theme").setAttribute("aria-label", "Colours: " + said);
  }

  byId("theme").addEventListener("click", nextTheme);
  byId("more").addEventListener("click", () => { limit += PAGE; drawList(); });
  byId("browser").addEventListener("keydown", keys);
  makeFilters();
  refresh();
})();
