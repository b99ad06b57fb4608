// Rows of the live book to what the mesh view draws. Counts and words are the lab's; here they are
// only put together: by workload, by window, and the two kinds of one edge beside each other.

/** The words for what travelled. */
export const WORDS = { mtls: "mutual TLS", tls: "TLS", none: "plaintext", refused: "refused" };

/** The workload's name for an end, `namespace/name`; who is no pod keeps its name. */
export function place(name, nodes) {
  const node = nodes.get(name);
  return node ? `${node.namespace}/${node.workload}` : name;
}

/** Nodes by workload: role, pods, services, and whether all pods are ready and in step. */
export function workloads(state) {
  const found = new Map();
  const ready = new Map((state.status?.pods || []).map((p) => [`${p.namespace}/${p.name}`, p]));
  const proxies = new Map((state.status?.proxies || []).map((p) => [p.proxy, p]));
  for (const node of state.nodes.values()) {
    const key = `${node.namespace}/${node.workload}`;
    const made = found.get(key) || {
      key, name: node.workload, namespace: node.namespace, role: node.role,
      identity: node.identity || "", services: node.services || [], modes: [], pods: [], badges: [],
    };
    made.pods.push(node.name);
    add(made.modes, node.mode);
    if (node.role === "gateway") made.role = "gateway";
    const pod = ready.get(node.name);
    const proxy = proxies.get(node.name);
    if (pod && !pod.ready) add(made.badges, "not ready");
    if (proxy && !(proxy.connected && proxy.synced)) add(made.badges, "not in step");
    if (node.role === "app") add(made.badges, "no proxy");
    found.set(key, made);
  }
  return found;
}

/** Edges by workload and port; `kinds` has what travelled, each with its count. */
export function flows(state, since) {
  const found = new Map();
  for (const row of state.edges.values()) {
    const count = row.windows[since] || row.windows.all;
    if (!count.requests && !count.errors) continue;
    const edge = row.edge;
    const source = place(edge.source, state.nodes);
    const target = place(edge.target, state.nodes);
    const key = `${source}>${target}:${edge.port}`;
    const made = found.get(key) || {
      key, source, target, port: edge.port, protocols: [], kinds: {}, requests: 0, errors: 0,
      reasons: [], sampled: false, last: "", clients: [], servers: [],
    };
    made.kinds[edge.tls] = (made.kinds[edge.tls] || 0) + count.requests;
    made.requests += count.requests;
    made.errors += count.errors;
    made.sampled = made.sampled || edge.sampled;
    if (row.last > made.last) made.last = row.last;
    add(made.protocols, edge.protocol);
    add(made.reasons, edge.no_tls_reason);
    add(made.clients, edge.client_id);
    add(made.servers, edge.server_id);
    found.set(key, made);
  }
  for (const made of found.values()) made.kind = kindOf(made);
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** What the line shows: one kind, `mixed`, or `refused` where nothing was carried. */
function kindOf(made) {
  const kinds = Object.keys(made.kinds);
  const plain = made.reasons.includes("no connection was made");
  if (kinds.length === 1) return kinds[0] === "none" && plain ? "refused" : kinds[0];
  return "mixed";
}

/** The share of mutual TLS among what travelled, in whole percent. */
export function share(flow) {
  const all = Object.values(flow.kinds).reduce((sum, each) => sum + each, 0);
  return all ? Math.floor((100 * (flow.kinds.mtls || 0)) / all) : 0;
}

export function word(flow) {
  return flow.kind === "mixed" ? `mixed ${share(flow)}%` : WORDS[flow.kind];
}

/** Health: colour says this, and nothing else. */
export function health(flow) {
  if (flow.kind === "refused" || (flow.errors && flow.errors * 2 >= flow.requests)) return "bad";
  return flow.errors ? "warn" : "good";
}

export function rate(flow, since) {
  const seconds = { 10: 10, 60: 60, 600: 600 }[since];
  const about = flow.sampled ? "~" : "";
  if (!seconds) return `${about}${flow.requests}`;
  const each = flow.requests / seconds;
  return `${about}${each >= 10 ? Math.round(each) : each >= 1 ? each.toFixed(1) : each.toFixed(2)}/s`;
}

/** A flow as a sentence, for who hears the graph and for its title. */
export function sentence(flow, since) {
  const errors = flow.errors ? `, ${flow.errors} ${flow.errors === 1 ? "error" : "errors"}` : "";
  const many = since === "all" ? `${flow.requests} requests` : `${rate(flow, since)}`;
  return `${short(flow.source)} to ${short(flow.target)} port ${flow.port}, ${word(flow)}, ${many}${errors}`;
}

export const short = (key) => key.slice(key.indexOf("/") + 1);

function add(list, value) {
  if (value && !list.includes(value)) list.push(value);
}

/** What is wrong, worst first; each has a sentence and where it leads. */
export function problems(state, since) {
  const found = [];
  const known = workloads(state);
  for (const flow of flows(state, since)) {
    const level = health(flow);
    const ends = `${short(flow.source)} → ${short(flow.target)}:${flow.port}`;
    if (level !== "good") {
      const text = `${flow.errors} of ${flow.requests} failed, ${word(flow)}`;
      found.push({ level, title: ends, text, go: { view: "mesh", query: { sel: flow.key } } });
    } else if (flow.kinds.none && inMesh(known, flow.source) && inMesh(known, flow.target)) {
      const text = `plaintext: ${flow.reasons.join("; ") || "why is not known"}`;
      found.push({ level: "note", title: ends, text, go: { view: "mesh", query: { sel: flow.key } } });
    }
  }
  for (const node of known.values()) {
    for (const badge of node.badges.filter((each) => each !== "no proxy")) {
      found.push({ level: badge === "not ready" ? "bad" : "warn", title: node.key, text: badge,
        go: { view: "mesh", query: { sel: node.key } } });
    }
  }
  for (const each of state.status?.diagnostics || []) {
    if (each.level === "Info") continue;
    found.push({ level: each.level === "Error" ? "bad" : "note", title: (each.origin || each.code).split("#")[0],
      text: `${each.message} [${each.code}]`, go: { view: "objects", query: {} }, finding: each });
  }
  const order = { bad: 0, warn: 1, note: 2 };
  return found.sort((a, b) => order[a.level] - order[b.level]);
}

const inMesh = (known, key) => known.has(key) && known.get(key).role !== "app";

/** At most `most` things are drawn: the rest of a namespace is one box. Ends of problems and what is
 * looked at are never folded. */
export function folded(nodes, edges, { most = 60, keep = new Set(), open = new Set() } = {}) {
  const keys = [...nodes.keys()];
  if (keys.length <= most) return { nodes, edges };
  const namespaceOf = (key) => (key.includes("/") ? key.split("/")[0] : "");
  const loud = new Set(keep);
  for (const edge of edges) {
    if (health(edge) !== "good" && loud.size < most - 10) loud.add(edge.source).add(edge.target);
  }
  const to = (key) => {
    const ns = namespaceOf(key);
    return !ns || open.has(ns) || loud.has(key) ? key : `${ns}/*`;
  };
  const kept = new Map();
  for (const [key, node] of nodes) {
    const at = to(key);
    if (at === key) { kept.set(key, node); continue; }
    const box = kept.get(at) || { key: at, name: namespaceOf(key), namespace: namespaceOf(key),
      role: "namespace", pods: [], services: [], badges: [], count: 0 };
    box.count += 1;
    kept.set(at, box);
  }
  const sums = new Map();
  for (const edge of edges) {
    const source = to(edge.source), target = to(edge.target);
    if (source === target) continue;
    const same = source === edge.source && target === edge.target;
    const key = same ? edge.key : `${source}>${target}`;
    const made = sums.get(key) || { ...edge, key, source, target, kinds: {}, requests: 0, errors: 0,
      port: same ? edge.port : "*" };
    for (const [kind, count] of Object.entries(edge.kinds)) made.kinds[kind] = (made.kinds[kind] || 0) + count;
    made.requests += edge.requests;
    made.errors += edge.errors;
    made.kind = kindOf(made);
    sums.set(key, made);
  }
  return { nodes: kept, edges: [...sums.values()] };
}
