// A draft of an object: what it would change, then the change. The lab says all of it.
import { html, useState, Command } from "./frame.js";
import { ask, own, state } from "../data/lab.js";
import { changed } from "../model/posture.js";
import { Source } from "./source.js";

const WORD = { "less-secure": "less secure", broken: "broken", repaired: "repaired", "more-secure": "more secure", moved: "goes elsewhere", other: "otherwise changed", unknown: "unknown now" };

/** `text` is the object as YAML, `version` the resourceVersion that it was read at. */
export function Draft({ name, text, version, done }) {
  const [draft, write] = useState(text);
  const [seen, see] = useState(null); // what was previewed: the text, and what the lab said of it
  const [busy, work] = useState(false);
  const [trouble, say] = useState("");
  const send = async (apply) => {
    work(true); say("");
    try {
      const told = await ask(own("draft"), { text: draft, name: `page draft of ${name}`, version, apply });
      const error = told.taken.error;
      if (error) say(error.message);
      else if (apply) done();
      see(error || apply ? null : { text: draft, told });
    } catch (error) { say(error.message); see(null); }
    work(false);
  };
  const ready = seen && seen.text === draft;
  return html`<div class="draft"><label>Draft of ${name}<textarea class="mono" rows="18" spellcheck="false" value=${draft} onInput=${(e) => write(e.target.value)} onKeyDown=${(e) => { if (e.ctrlKey && e.key === "Enter") send(false); }}></textarea></label>
    <div class="tools"><button type="button" class="primary" disabled=${busy || draft === text} onClick=${() => send(false)}>Preview</button>
      <button type="button" disabled=${busy || !ready} onClick=${() => send(true)}>Apply</button><button type="button" class="quiet" onClick=${done}>Discard</button>
      <span class="quiet-text" role="status">${busy ? "The lab is asked" : ready ? "This is what was previewed" : draft === text ? "Nothing is changed yet" : "Preview it before it can be applied"}</span></div>
    ${trouble && html`<p class="alert bad" role="alert">${trouble}</p>`}
    ${ready && html`<${Preview} text=${text} seen=${seen} />`}</div>`;
}

function Preview({ text, seen }) {
  const { taken, changes } = seen.told;
  const lines = changed(text, seen.text).filter((line) => line[0] !== " ");
  const list = changes?.changes || [];
  return html`<section aria-label="Preview"><h3>What it would do</h3>
    ${taken.done.flatMap((one) => one.warnings).map((words, n) => html`<p key=${n} class="alert warn">${words}</p>`)}
    <pre class="diff" tabindex="0" aria-label="Changed lines">${lines.map((line, n) => html`<span key=${n} class=${line[0] === "+" ? "new" : "gone"}>${line}\n</span>`)}</pre>
    ${!list.length && html`<p>No request fares otherwise.</p>`}
    <ul class="findings">${list.slice(0, 50).map((one, n) => html`<li key=${n} class=${one.kind === "less-secure" || one.kind === "broken" ? "bad" : "note"}><strong>${WORD[one.kind] || one.kind}</strong> ${one.clients.join(", ")} to ${one.to} <span class="mono">${one.requests.join("; ")}</span>
      <p>${one.before.words} → ${one.after.words}</p>${one.after.sources.slice(0, 1).map((source, m) => html`<${Source} key=${m} source=${source} />`)}</li>`)}</ul>
    ${list.length > 50 && html`<p class="aside">${list.length - 50} more.</p>`}
    <${Command} text=${`lateen diff lab:${state.status?.lab} lab:${state.status?.lab}+draft.yaml`} /></section>`;
}
