// Where a decision is written.
import { html, Go, soft } from "./frame.js";

/** A field that decided, as a link to its object. */
export function Source({ source }) {
  const [where, field] = source.text.split("#");
  const [kind, namespace, name] = where.split("/");
  return html`<${Go} to=${{ view: "objects", rest: [namespace, kind, name], query: field ? { line: field } : {} }}>${kind}/${soft(name)}<//> <span class="place">${source.location}</span>`;
}
