// Who talks to whom: as a graph and, its equal, as a table. Problems stand beside it.
import { html, useLab, useEffect, useRef, useState, go, Go, Lock, Line, lockShape, dashes, Command, Empty, Facts, time, soft } from "../parts/frame.js";
import { state } from "../data/lab.js";
import * as mesh from "../model/mesh.js";
import { layout, WIDTH, HEIGHT } from "../model/layout.js";

const SINCE = { 10: "10 s", 60: "1 min", 600: "10 min", all: "all" };

export function Mesh({ place }) {
  useLab();
  const { query } = place;
  const since = query.since || "all";
  const set = (changes, how) => go({ ...place, query: { ...query, ...changes } }, how);
  const every = mesh.workloads(state);
  const { nodes, edges } = chosen(every, mesh.flows(state, since), query);
  const drawn = mesh.folded(nodes, edges, { keep: new Set([query.focus, query.sel]), open: new Set((query.open || "").split(",")) });
  const selected = edges.find((e) => e.key === query.sel) || drawn.edges.find((e) => e.key === query.sel);
  const node = !selected && (every.get(query.sel) || drawn.nodes.get(query.sel));
  const namespaces = [...new Set([...every.values()].map((each) => each.namespace))].sort();
  const table = query.as === "table" || (!query.as && innerWidth < 640);
  const command = `lateen edges${query.ns ? ` -n ${query.ns}` : ""}${since === "all" ? "" : ` --since ${since}s`}`;
  return html`<div class="view split">
    <section class="main" aria-label="Mesh">
      <div class="tools">
        <label>Namespace <select value=${query.ns || ""} onChange=${(e) => set({ ns: e.target.value })}>
          <option value="">all</option>${namespaces.map((each) => html`<option key=${each}>${each}</option>`)}</select></label>
        <div class="group" role="group" aria-label="Counted over">${Object.entries(SINCE).map(([value, name]) => html`
          <button type="button" key=${value} aria-pressed=${String(since === value)}
            onClick=${() => set({ since: value === "all" ? "" : value })}>${name}</button>`)}</div>
        <div class="group" role="group" aria-label="Shown as">
          <button type="button" aria-pressed=${String(!table)} onClick=${() => set({ as: innerWidth < 640 ? "graph" : "" })}>Graph</button>
          <button type="button" aria-pressed=${String(table)} onClick=${() => set({ as: "table" })}>Table</button></div>
        <input class="filter" data-key="/" type="search" aria-label="Find by name; a minus hides" placeholder="Find, or -hide" value=${query.q || ""}
          onInput=${(e) => set({ q: e.target.value }, { replace: true })} />
        ${!table && html`<button type="button" class="quiet" onClick=${tidy}>Tidy up</button>`}
      </div>
      ${!edges.length && !nodes.size
        ? html`<${Empty} title="Nothing is here yet" command="lateen up examples/walkthrough">The lab has no pods.<//>`
        : table ? html`<${Table} edges=${edges} since=${since} sel=${query.sel} pick=${(key) => set({ sel: key })} />`
        : html`<${Graph} ...${drawn} since=${since} sel=${query.sel} pick=${(key) => set(key.endsWith("/*") ? { open: [query.open, key.slice(0, -2)].filter(Boolean).join(",") } : { sel: key })} />`}
      ${!edges.length && nodes.size > 0 && html`<p class="aside">No requests ${since === "all" ? "yet" : `in the last ${SINCE[since]}`}.
        Send one with <code>lateen curl</code> or <${Go} to=${{ view: "request" }}>from here<//>.</p>`}
      ${!table && html`<${Legend} />`}
      <${Command} text=${command} />
    </section>
    <aside class="panel" aria-label="Details">
      ${selected ? html`<${EdgePanel} flow=${selected} since=${since} close=${() => set({ sel: "" })} />`
        : node ? html`<${NodePanel} node=${node} edges=${edges} since=${since} close=${() => set({ sel: "" })} set=${set} query=${query} />`
        : html`<${Problems} since=${since} edges=${edges} />`}
    </aside>
  </div>`;
}

function tidy() {
  localStorage.removeItem(`lateen-places-${state.status?.lab}`);
  dispatchEvent(new Event("lateen-tidy"));
}

/** What the query leaves: a namespace, a name found or hidden, a node with its neighbours. */
function chosen(every, flows, query) {
  const words = (query.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  const hidden = [...words.filter((w) => w[0] === "-" && w[1]).map((w) => w.slice(1)), ...(query.hide || "").split(",").filter(Boolean)];
  const wanted = words.filter((w) => w[0] !== "-");
  const ends = (e) => `${e.source} ${e.target}`.toLowerCase();
  let edges = flows.filter((e) => (!query.ns || [e.source, e.target].some((x) => x.startsWith(`${query.ns}/`)))
    && wanted.every((w) => ends(e).includes(w)) && !hidden.some((w) => ends(e).includes(w)));
  if (query.focus) edges = around(edges, query.focus, Number(query.hops) || 1);
  const nodes = new Map();
  const add = (key) => {
    if (!nodes.has(key)) nodes.set(key, every.get(key) || { key, name: mesh.short(key), namespace: key.includes("/") ? key.split("/")[0] : "", role: key === "host" ? "host" : key.includes("/") ? "service" : "outside", pods: [], services: [], badges: [] });
  };
  edges.forEach((e) => { add(e.source); add(e.target); });
  if (!query.focus) {
    for (const key of every.keys()) {
      const low = key.toLowerCase();
      if ((!query.ns || key.startsWith(`${query.ns}/`)) && wanted.every((w) => low.includes(w)) && !hidden.some((w) => low.includes(w))) add(key);
    }
  }
  return { nodes, edges };
}

function around(edges, focus, hops) {
  let near = new Set([focus]);
  for (let i = 0; i < hops; i += 1) {
    const next = new Set(near);
    edges.forEach((e) => { if (near.has(e.source) || near.has(e.target)) next.add(e.source).add(e.target); });
    near = next;
  }
  return edges.filter((e) => near.has(e.source) && near.has(e.target));
}

function keptPlaces() {
  try { return JSON.parse(localStorage.getItem(`lateen-places-${state.status?.lab}`)) || {}; } catch { return {}; }
}

function Graph({ nodes, edges, since, sel, pick }) {
  const [, again] = useState(0);
  useEffect(() => {
    const anew = () => again((n) => n + 1);
    addEventListener("lateen-tidy", anew);
    return () => removeEventListener("lateen-tidy", anew);
  }, []);
  const ref = useRef();
  const [active, activate] = useState("");
  const kept = keptPlaces();
  const places = layout([...nodes.keys()], edges, kept);
  if (state.status && edges.length) {
    const added = Object.fromEntries([...places].map(([key, { column, row }]) => [key, { column, row }]));
    localStorage.setItem(`lateen-places-${state.status.lab}`, JSON.stringify({ ...kept, ...added }));
  }
  const all = [...places.values()];
  const box = { x: Math.min(...all.map((p) => p.x)) - 30, y: Math.min(...all.map((p) => p.y)) - 34,
    right: Math.max(...all.map((p) => p.x)) + WIDTH + 30, bottom: Math.max(...all.map((p) => p.y)) + HEIGHT + 34 };
  const width = box.right - box.x, height = box.bottom - box.y;
  const lines = routes(edges, places);
  const items = [...places.keys(), ...lines.map((l) => l.edge.key)];
  const current = items.includes(active) ? active : items.includes(sel) ? sel : worst(lines) || items[0];
  const key = (event) => {
    const next = moved(event.key, current, places, lines);
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(current); }
    if (!next) return;
    event.preventDefault();
    activate(next);
    requestAnimationFrame(() => ref.current?.querySelector(`[data-item="${CSS.escape(next)}"]`)?.focus());
  };
  const tab = (item) => (item === current ? 0 : -1);
  return html`<div class="canvas"><svg ref=${ref} class="graph" role="group" aria-label="Graph of the mesh; arrow keys follow edges"
      viewBox="${box.x} ${box.y} ${width} ${height}" width=${width} height=${height} onKeyDown=${key}>
    ${lines.map(({ edge, d, at }) => html`<g key=${edge.key} data-item=${edge.key} class="edge ${mesh.health(edge)} ${edge.key === sel ? "on" : ""} w${weight(edge)}"
        role="button" tabindex=${tab(edge.key)} aria-label=${mesh.sentence(edge, since)} onClick=${() => { activate(edge.key); pick(edge.key); }}
        onFocus=${() => activate(edge.key)}>
      <path class="hit" d=${d} /><path class="edge-line" d=${d} stroke-dasharray=${dashes(edge.kind)} />
      <path class="arrow" d=${edge.kind === "refused" ? `M${at.tx - 9} ${at.ty - 5}l10 10m0 -10l-10 10` : `M${at.tx - 8} ${at.ty - 4.5}L${at.tx - 1} ${at.ty}L${at.tx - 8} ${at.ty + 4.5}`} />
      <${Label} edge=${edge} at=${at} since=${since} /></g>`)}
    ${[...places].map(([name, p]) => html`<${Node} key=${name} node=${nodes.get(name)} p=${p} sel=${sel} tab=${tab(name)} pick=${(k) => { activate(k); pick(k); }} focus=${activate} />`)}
  </svg></div>`;
}

const weight = (edge) => (edge.requests >= 1000 ? 3 : edge.requests >= 50 ? 2 : 1);
const worst = (lines) => lines.find((l) => mesh.health(l.edge) === "bad")?.edge.key;

/** Arrow keys: along edges left and right, within a column up and down; Home is the worst. */
function moved(key, current, places, lines) {
  const at = places.get(current);
  const edge = lines.find((l) => l.edge.key === current)?.edge;
  if (key === "Home") return worst(lines) || [...places.keys()][0];
  if (edge) {
    if (key === "ArrowRight") return edge.target;
    if (key === "ArrowLeft") return edge.source;
    const same = lines.filter((l) => l.edge.source === edge.source);
    const here = same.findIndex((l) => l.edge.key === current);
    if (key === "ArrowDown" || key === "ArrowUp") return same[(here + (key === "ArrowDown" ? 1 : same.length - 1)) % same.length].edge.key;
  } else if (at) {
    if (key === "ArrowRight") return lines.find((l) => l.edge.source === current)?.edge.key;
    if (key === "ArrowLeft") return lines.find((l) => l.edge.target === current)?.edge.key;
    const column = [...places].filter(([, p]) => p.column === at.column).sort((a, b) => a[1].y - b[1].y).map(([k]) => k);
    const here = column.indexOf(current);
    if (key === "ArrowDown" || key === "ArrowUp") return column[(here + (key === "ArrowDown" ? 1 : column.length - 1)) % column.length];
  }
  return "";
}

/** Ends spread over a node's side, in the order of where they lead. */
function routes(edges, places) {
  const kept = edges.filter((e) => e.source !== e.target && places.has(e.source) && places.has(e.target));
  const side = (key, mine, other) => kept.filter((e) => e[mine] === key)
    .sort((a, b) => places.get(a[other]).y - places.get(b[other]).y || (a.key < b.key ? -1 : 1));
  return kept.map((edge) => {
    const from = places.get(edge.source), to = places.get(edge.target);
    const out = side(edge.source, "source", "target"), into = side(edge.target, "target", "source");
    const spread = (list) => HEIGHT / 2 + (list.indexOf(edge) - (list.length - 1) / 2) * Math.min(26, 66 / list.length);
    const x1 = from.x + WIDTH, y1 = from.y + spread(out), x2 = to.x, y2 = to.y + spread(into);
    const back = x2 < x1;
    const bend = back ? 90 : Math.max(36, (x2 - x1) / 2);
    const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 2} ${y2}`;
    const t = to.column - from.column > 1 ? 0.25 : 0.5, u = 1 - t;
    const bez = (a, b, c, e) => u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * e;
    return { edge, d, at: { x: bez(x1, x1 + bend, x2 - bend, x2), y: bez(y1, y1, y2, y2), tx: x2, ty: y2 } };
  });
}

function Label({ edge, at, since }) {
  const failed = edge.errors ? ` · ${edge.errors} err` : "";
  const text = `${edge.kind === "mixed" ? `${mesh.share(edge)}% ` : ""}${mesh.rate(edge, since)}${failed}`;
  const width = text.length * 6.3 + 30;
  return html`<g class="label" transform="translate(${at.x - width / 2} ${at.y - 10})">
    <rect width=${width} height="20" rx="10" />
    <g transform="translate(6 2.5) scale(.9)">${lockShape(edge.kind)}</g>
    <text x="23" y="14">${text}</text></g>`;
}

function Node({ node, p, sel, tab, pick, focus }) {
  const badge = node.badges[0];
  const quiet = node.role === "namespace" ? `${node.count} workloads` : node.role === "host" ? "this machine" : node.role === "outside" ? "outside the mesh" : node.namespace;
  const kind = node.role === "sidecar" ? "workload" : node.role === "app" ? "workload without a proxy" : node.role;
  return html`<g class="node ${node.role} ${node.key === sel ? "on" : ""}" data-item=${node.key} role="button" tabindex=${tab}
      aria-label="${kind} ${node.name}${node.namespace ? ` in ${node.namespace}` : ""}${node.badges.length ? `, ${node.badges.join(", ")}` : ""}"
      transform="translate(${p.x} ${p.y})" onClick=${() => pick(node.key)} onFocus=${() => focus(node.key)}>
    <rect class="box" width=${WIDTH} height=${HEIGHT} rx=${node.role === "host" ? HEIGHT / 2 : 7} />
    ${node.role === "gateway" && html`<path class="bars" d="M10 9v${HEIGHT - 18}M15 9v${HEIGHT - 18}" />`}
    ${node.role === "service" && html`<path class="bars" d="M10 29l6 -11l6 11z" />`}
    <text class="name" x=${node.role === "sidecar" || node.role === "app" ? 13 : 26} y="20">${cut(node.name, node.role === "sidecar" || node.role === "app" ? 26 : 23)}<title>${node.name}</title></text>
    <text class="where" x=${node.role === "sidecar" || node.role === "app" ? 13 : 26} y="36">${cut(quiet, 18)}</text>
    ${badge && html`<text class="badge ${badge === "no proxy" ? "" : badge === "not ready" ? "bad" : "warn"}" x=${WIDTH - 12} y="36" text-anchor="end">${badge}</text>`}
  </g>`;
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function Legend() {
  const all = [["mtls", "mutual TLS"], ["tls", "TLS, one side"], ["none", "plaintext"], ["mixed", "both, share of mutual TLS"], ["refused", "refused, not sent"]];
  return html`<ul class="legend" aria-label="Legend">${all.map(([kind, name]) => html`<li key=${kind}><${Line} kind=${kind} /><${Lock} kind=${kind} />${name}</li>`)}
    <li class="said">Line and lock show what travelled; colour shows errors only.</li></ul>`;
}

function Table({ edges, since, sel, pick }) {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="rows"><caption class="hidden">Edges of the mesh</caption><thead><tr>
    <th scope="col">From</th><th scope="col">To</th><th scope="col" class="number">Port</th><th scope="col">Travelled</th>
    <th scope="col" class="number">${since === "all" ? "Requests" : "Rate"}</th><th scope="col" class="number">Errors</th><th scope="col">Why no TLS</th></tr></thead>
    <tbody>${edges.map((e) => html`<tr key=${e.key} class="${mesh.health(e)} ${e.key === sel ? "on" : ""}">
      <th scope="row"><button type="button" class="row" data-row aria-label=${mesh.sentence(e, since)} onClick=${() => pick(e.key)}>${soft(e.source)}</button></th>
      <td>${soft(e.target)}</td><td class="number">${e.port}</td><td class="kind"><${Lock} kind=${e.kind} /> ${mesh.word(e)}</td>
      <td class="number">${mesh.rate(e, since)}</td><td class="number health">${e.errors || "–"}</td><td class="why">${e.reasons.join("; ")}</td></tr>`)}</tbody></table></div>`;
}

function Problems({ since, edges }) {
  const found = mesh.problems(state, since);
  if (!state.status) return html`<h2>Problems</h2><p class="quiet-text">Asking the lab…</p>`;
  const kinds = [...new Set(edges.map(mesh.word))];
  return html`<h2>Problems <span class="count">${found.length || ""}</span></h2>
    ${!found.length && html`<p class="fine">No problems. ${edges.length} ${edges.length === 1 ? "edge" : "edges"}${kinds.length === 1 ? `, all ${kinds[0]}` : ""}.</p>`}
    <ol class="problems">${found.map((each, n) => html`<li key=${n} class=${each.level}>
      <${Go} to=${each.go} data-problem=${each.level}><span class="mark" aria-hidden="true">${each.level === "note" ? "–" : each.level === "warn" ? "!" : "×"}</span>
        <span class="hidden">${{ bad: "failing: ", warn: "warning: ", note: "note: " }[each.level]}</span>
        <strong>${soft(each.title)}</strong><span>${soft(each.text)}</span><//></li>`)}</ol>`;
}

function Head({ title, close, kind }) {
  return html`<header class="head"><h2>${kind && html`<${Lock} kind=${kind} />`} ${title}</h2>
    <button type="button" class="quiet" data-key="Escape" aria-label="Close details" onClick=${close}>Close</button></header>`;
}

function EdgePanel({ flow, since, close }) {
  const errors = flow.errors ? `${flow.errors} of ${flow.requests}` : "none";
  return html`<${Head} title=${mesh.word(flow)} kind=${flow.kind} close=${close} />
    <p class="ends"><span>${soft(flow.source)}</span><span class="to" aria-hidden="true">→</span><span>${soft(flow.target)}<span class="quiet-text">:${flow.port}</span></span></p>
    <${Facts} rows=${[["Protocol", flow.protocols.join(", ")],
      ["Requests", `${flow.sampled ? "~" : ""}${flow.requests}${since === "all" ? "" : ` in ${SINCE[since]}`}`],
      ["Errors", html`<span class=${mesh.health(flow)}>${errors}</span>`],
      ["Client", flow.clients.map(soft).join(", ") || "no identity was proved"],
      ["Server", flow.servers.map(soft).join(", ") || "no identity was proved"],
      ["Last", time(flow.last)]]} />
    ${Object.keys(flow.kinds).length > 1 && html`<h3>What travelled</h3><ul class="plain">${Object.entries(flow.kinds).map(([k, n]) => html`<li key=${k}><${Lock} kind=${k} /> ${mesh.WORDS[k]}: ${n}</li>`)}</ul>`}
    ${flow.reasons.length > 0 && html`<h3>Why no TLS</h3>${flow.reasons.map((r) => html`<p key=${r}>${r}.</p>`)}`}
    <p class="actions"><${Go} class="button" to=${{ view: "flows", query: { q: mesh.short(flow.target) } }}>Its flows<//>
      <${Go} class="button" to=${{ view: "request", query: { from: flow.source === "host" ? "" : `deploy/${mesh.short(flow.source)}`, ns: flow.source.includes("/") ? flow.source.split("/")[0] : "" } }}>Send one from there<//></p>`;
}

function NodePanel({ node, edges, since, close, set, query }) {
  const mine = edges.filter((e) => e.source === node.key || e.target === node.key);
  return html`<${Head} title=${node.name} close=${close} />
    <${Facts} rows=${[["Namespace", node.namespace], ["Kind", node.role === "app" ? "no proxy" : node.role],
      ["Identity", node.identity && soft(node.identity)], ["Services", node.services.map(soft).join(", ")],
      ["Accepts", (node.modes || []).join("; ")],
      ["State", node.badges.join(", ") || (node.pods.length ? "ready, in step" : "")],
      ["Pods", node.pods.length ? html`<ul class="plain">${node.pods.map((p) => html`<li key=${p}>${soft(mesh.short(p))}</li>`)}</ul>` : ""]]} />
    <h3>Edges</h3><ul class="plain links">${mine.map((e) => html`<li key=${e.key} class=${mesh.health(e)}><${Go} to=${{ view: "mesh", query: { ...query, sel: e.key } }}>
      <${Lock} kind=${e.kind} /> ${e.source === node.key ? `→ ${mesh.short(e.target)}` : `← ${mesh.short(e.source)}`}:${e.port} <span class="quiet-text">${mesh.word(e)}, ${mesh.rate(e, since)}</span><//></li>`)}</ul>
    <p class="actions"><button type="button" onClick=${() => set({ focus: query.focus === node.key ? "" : node.key })}>${query.focus === node.key ? "Show all" : "Only its neighbours"}</button>
      <button type="button" onClick=${() => set({ q: `${query.q || ""} -${node.name}`.trim(), sel: "" })}>Hide</button></p>`;
}
