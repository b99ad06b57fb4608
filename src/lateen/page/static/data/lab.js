// The page's only way to the lab: its token, its questions, and what it is told live. One tab reads
// for all (a browser gives an address six connections); the others hear from it.

const ROOT = "/lateen/v1/";
const KEY = "lateen-token";
const saved = document.getElementById("saved");

/** What is known. `link` is starting, live, stale, closed or saved. */
export const state = {
  edges: new Map(), nodes: new Map(), status: null, since: "", link: "starting", heard: 0, saved: null,
};

const followers = new Set();
let waiting = false;

/** Be told when something is known anew, once a frame at most. @returns {() => void} */
export function follow(listener) {
  followers.add(listener);
  return () => followers.delete(listener);
}

function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const each of [...followers]) each();
  });
}

/** Take one line of the live stream. */
export function take(line) {
  state.heard = Date.now();
  if (line.topic === "edges") {
    if (line.whole) { state.edges.clear(); state.since = line.since || state.since; }
    for (const row of line.edges || []) state.edges.set(edgeKey(row.edge), row);
  } else if (line.topic === "nodes") {
    state.nodes = new Map((line.nodes || []).map((node) => [node.name, node]));
  } else if (line.topic === "status") {
    state.status = line.status;
  }
  if (state.link !== "saved") state.link = "live";
  changed();
}

const edgeKey = (e) => [e.source, e.target, e.port, e.protocol, e.tls, e.no_tls_reason].join("|");

/** Exchange the one-time code of the fragment for the token, and take it out of the address. */
async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await fetch(`${ROOT}page/key`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }),
  });
  if (answer.ok) localStorage.setItem(KEY, (await answer.json()).token);
}

/** An error of the lab, in its words. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Ask the lab. Throws Refusal. */
export async function ask(path, body, signal) {
  if (state.saved) {
    const found = state.saved.answers[path];
    if (found === undefined) throw new Refusal(0, "a saved page has no lab to ask");
    return found;
  }
  const answer = await send(path, body, signal);
  return answer.json();
}

async function send(path, body, signal) {
  const headers = { Authorization: `Bearer ${localStorage.getItem(KEY) || ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST", headers, signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 401) {
    localStorage.removeItem(KEY);
    state.link = "closed";
    changed();
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refusal(answer.status, told.message || `the lab answered ${answer.status}`);
  }
  return answer;
}

export const own = (name) => ROOT + name;

/** Read a stream line by line until it ends or is aborted. */
export async function lines(path, each, signal) {
  const answer = await send(path, undefined, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) each(JSON.parse(part));
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Read for all tabs, again and again. */
async function lead(channel) {
  channel.onmessage = ({ data }) => {
    if (data.ask) channel.postMessage({ lines: present() });
  };
  for (;;) {
    if (state.link === "closed" && !localStorage.getItem(KEY)) { await pause(500); continue; }
    const cut = new AbortController();
    const watch = setInterval(() => {
      if (Date.now() - state.heard > 12000) cut.abort();
    }, 1000);
    state.heard = Date.now();
    try {
      await lines(own("live"), (line) => {
        take(line);
        channel.postMessage({ lines: [line] });
      }, cut.signal);
    } catch (error) {
      if (error.status === 401) channel.postMessage({ link: "closed" });
    }
    clearInterval(watch);
    if (state.link !== "closed") state.link = "stale";
    channel.postMessage({ link: state.link });
    changed();
    await pause(1000);
  }
}

function present() {
  return [
    { topic: "edges", whole: true, edges: [...state.edges.values()], since: state.since },
    { topic: "nodes", nodes: [...state.nodes.values()] },
    ...(state.status ? [{ topic: "status", status: state.status }] : []),
  ];
}

/** Begin: from a saved state, or from the lab. */
export async function start() {
  if (saved) {
    state.saved = JSON.parse(saved.textContent);
    state.link = "saved";
    for (const line of state.saved.live) take(line);
    return;
  }
  await enter();
  if (!localStorage.getItem(KEY)) {
    state.link = "closed";
    changed();
  }
  const channel = new BroadcastChannel("lateen-live");
  channel.onmessage = ({ data }) => {
    if (data.lines) data.lines.forEach(take);
    if (data.link) { state.link = data.link; changed(); }
  };
  channel.postMessage({ ask: true });
  // Over plain HTTP at a name of a tunnel there are no locks: then each tab reads for itself.
  if (navigator.locks) navigator.locks.request("lateen-live", () => lead(channel));
  else lead(channel);
}
