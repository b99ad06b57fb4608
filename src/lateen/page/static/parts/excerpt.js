// The lines of an object around a field, as the lab holds it now, with the field's line marked.
import { html, useEffect, useState, Go } from "./frame.js";
import { find } from "../data/objects.js";
import { lines, shown, lineOf } from "../model/yaml.js";

export function Excerpt({ source }) {
  const [object, , field] = source.text.match(/^([^#]*)(#(.*))?$/).slice(1);
  const [kind, namespace, name] = object.split("/");
  const [found, set] = useState(undefined);
  useEffect(() => {
    let gone = false;
    find(kind, namespace, name).then((each) => gone || set(each), () => gone || set(null));
    return () => { gone = true; };
  }, [source.text]);
  const text = found ? lines(shown(found)) : [];
  const at = field ? lineOf(text, field) : text.length ? 0 : -1; // without a field it is the object
  const from = Math.max(0, at - 3), to = at < 0 ? 0 : at + 6;
  return html`<figure class="excerpt"><figcaption><strong>${kind} ${name}</strong> <span class="quiet-text">${namespace}</span>
      <span class="place">${source.location || "no line: not applied from a file"}</span>
      <${Go} to=${{ view: "objects", rest: [namespace, kind, name], query: { line: field } }}>Open<//></figcaption>
    ${found === undefined ? html`<p class="quiet-text">…</p>` : at < 0 ? html`<p class="quiet-text">${found ? html`<code>${field}</code>: set by a default` : "the object is gone"}</p>`
      : html`<pre class="code" tabindex="0">${text.slice(from, to).map((l, n) => html`<span class=${from + n === at ? "line on" : "line"}>${from + n === at ? "› " : "  "}${l.text}\n</span>`)}</pre>`}</figure>`;
}
