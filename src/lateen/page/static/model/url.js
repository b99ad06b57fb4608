// What is seen is a URL: the path is the view and its object, the query all else, in order.

/** @typedef {{view: string, rest: string[], query: Record<string, string>}} Place */

export const VIEWS = ["mesh", "request", "flows", "posture", "objects"];

/** Which keys each view knows. Others are said, not dropped in silence. */
export const KEYS = {
  mesh: ["as", "by", "focus", "hide", "hops", "ns", "open", "q", "sel", "show", "since"],
  request: ["body", "from", "headers", "http", "k", "leg", "method", "ns", "tab", "url"],
  flows: ["paused", "q", "tls", "status"],
  posture: ["from", "only", "to"],
  objects: ["line", "mode"],
};

/** Read a path and a query. @returns {Place} */
export function parse(path, search) {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const view = VIEWS.includes(parts[0]) ? parts[0] : "mesh";
  const query = Object.fromEntries(new URLSearchParams(search));
  return { view, rest: parts.slice(1), query };
}

/** Write a place: keys sorted, empty ones left out. */
export function format({ view, rest = [], query = {} }) {
  const path = "/" + [view, ...rest].map(encodeURIComponent).join("/");
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  const text = new URLSearchParams(kept).toString();
  return text ? `${path}?${text}` : path;
}

/** The keys of a place that its view does not know. */
export function unknown(place) {
  return Object.keys(place.query).filter((key) => !KEYS[place.view].includes(key));
}
