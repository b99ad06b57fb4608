// What views share: the router's place, symbols, tables of facts, the command below.
import { html, useEffect, useReducer, useState, useRef } from "../vendor/htm-preact.js";
import { follow } from "../data/lab.js";
import { format } from "../model/url.js";

export { html, useEffect, useReducer, useState, useRef };

/** Draw anew when something is known anew. */
export function useLab() {
  const [, again] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    again(); // what came between drawing and this
    return follow(again);
  }, []);
}

const movers = new Set();
/** Go to a place: navigation pushes, typing replaces. */
export function go(to, { replace = false } = {}) {
  const place = { rest: [], query: {}, ...to };
  const url = location.protocol === "file:" ? null : format(place);
  if (url) history[replace ? "replaceState" : "pushState"](null, "", url);
  for (const each of movers) each(place);
}
export const onMove = (listener) => movers.add(listener);

/** A link to a place. */
export function Go({ to, children, ...rest }) {
  const click = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(to);
  };
  return html`<a href=${format(to)} onClick=${click} ...${rest}>${children}</a>`;
}

const BODY = "M3 7.5h10v6.5h-10z";
const LOCKS = {
  mtls: { d: `${BODY}M5 7.5V5a3 3 0 0 1 6 0v2.5`, fill: true, line: "" },
  tls: { d: `${BODY}M5 7.5V5a3 3 0 0 1 6 0v2.5`, fill: false, line: "9 4" },
  none: { d: `${BODY}M5 7.5V4.2a3 3 0 0 1 5.8-1.1`, fill: false, line: "3 4" },
  mixed: { d: `${BODY}M8 7.5v6.5M5 7.5V5a3 3 0 0 1 6 0v2.5`, fill: false, line: "3 4" },
  refused: { d: "M4 4l8 8M12 4l-8 8", fill: false, line: "1 4" },
};

/** The lock as SVG shapes, 16 by 16: what travelled, always on. */
export function lockShape(kind) {
  const lock = LOCKS[kind] || LOCKS.none;
  return html`<path class=${lock.fill ? "lock full" : "lock"} d=${lock.d} />
    ${kind === "mixed" && html`<path class="lock full" d="M3 7.5h5v6.5h-5z" />`}`;
}

export const dashes = (kind) => (LOCKS[kind] || LOCKS.none).line;

export function Lock({ kind }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${lockShape(kind)}</svg>`;
}

/** A short line as it is drawn in the graph: for the legend and for tables. */
export function Line({ kind }) {
  return html`<svg class="stroke" viewBox="0 0 36 8" aria-hidden="true">
    <path class="edge-line" d="M1 4H35" stroke-dasharray=${dashes(kind)} /></svg>`;
}

/** The command that gives the same, with a button that copies it. */
export function Command({ text }) {
  const [said, say] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch { say("Select and copy"); }
    setTimeout(() => say(""), 1500);
  };
  return html`<div class="command"><span class="prompt" aria-hidden="true">$</span>
    <code tabindex="0">${text}</code>
    <button type="button" class="quiet" data-key="c" onClick=${copy}>${said || "Copy"}</button></div>`;
}

export function Empty({ title, children, command }) {
  return html`<div class="empty"><h2>${title}</h2><p>${children}</p>
    ${command && html`<${Command} text=${command} />`}</div>`;
}

/** Pairs of a name and what is known; what is not known is left out. */
export function Facts({ rows }) {
  const kept = rows.filter(([, value]) => value !== "" && value != null && value !== false);
  return html`<dl class="facts">${kept.map(([name, value]) =>
    html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export const time = (text) => (text ? new Date(text).toLocaleTimeString("en-GB") + "." +
  String(new Date(text).getMilliseconds()).padStart(3, "0") : "");

/** A name that may hold a long path breaks at its slashes. */
export const soft = (text) => String(text).replaceAll("/", "/\u200b");
