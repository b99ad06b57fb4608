// One real request: the form is `lateen curl`, the answer a ladder with a step for each leg. A URL
// fills the form in; only Send sends.
import { html, useEffect, useState, useLab, go, Go, Lock, lockShape, dashes, Command, Empty, Facts, soft } from "../parts/frame.js";
import { ask, own, state } from "../data/lab.js";
import { WORDS, workloads } from "../model/mesh.js";
import { Excerpt } from "../parts/excerpt.js";

let kept = null;

export function Request({ place }) {
  useLab();
  const { query } = place;
  const [answer, answered] = useState(kept);
  const [failed, fail] = useState("");
  const [busy, begin] = useState(false);
  const set = (changes) => go({ ...place, query: { ...query, ...changes } }, { replace: true });
  const send = async (event) => {
    event.preventDefault();
    if (!query.url || busy) return;
    begin(true);
    fail("");
    try {
      kept = await ask(own("request"), body(query));
      answered(kept);
      set({ leg: "", tab: "" });
    } catch (error) { fail(error.message); }
    begin(false);
  };
  return html`<div class="view"><section class="main" aria-label="Request">
    <form class="form" onSubmit=${send}>
      <label class="narrow">From<input list="origins" placeholder="this machine" value=${query.from || ""} onInput=${(e) => set({ from: e.target.value })} /></label>
      <datalist id="origins">${[...workloads(state).values()].map((n) => html`<option key=${n.key} value="deploy/${n.name}" />`)}</datalist>
      <label class="tiny">Namespace<input placeholder="default" value=${query.ns || ""} onInput=${(e) => set({ ns: e.target.value })} /></label>
      <label class="tiny">Method<select onChange=${(e) => set({ method: e.target.value === "GET" ? "" : e.target.value })}>${["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map((m) => html`<option key=${m} selected=${m === (query.method || "GET")}>${m}</option>`)}</select></label>
      <label class="wide">URL<input data-key="/" required placeholder="http://istio-ingressgateway/" value=${query.url || ""} onInput=${(e) => set({ url: e.target.value })} /></label>
      <button class="primary" disabled=${busy || state.link === "saved"}>${busy ? "Sending…" : "Send"}</button>
      <details><summary>Headers, body, version</summary><div class="more">
        <label class="wide">Headers, one a line<textarea rows="3" placeholder="name: value" value=${query.headers || ""} onInput=${(e) => set({ headers: e.target.value })} /></label>
        <label class="wide">Body<textarea rows="3" value=${query.body || ""} onInput=${(e) => set({ body: e.target.value })} /></label>
        <label class="tiny">HTTP<select onChange=${(e) => set({ http: e.target.value === "1.1" ? "" : e.target.value })}>${["1.0", "1.1", "2"].map((v) => html`<option key=${v} selected=${v === (query.http || "1.1")}>${v}</option>`)}</select></label>
        <label class="check"><input type="checkbox" checked=${query.k === "1"} onChange=${(e) => set({ k: e.target.checked ? "1" : "" })} /> Accept any certificate</label></div></details>
    </form>
    <${Command} text=${command(query)} />
    ${failed && html`<p class="alert bad" role="alert">${failed}</p>`}
    ${answer ? html`<${Story} answer=${answer} query=${query} set=${set} />` : html`<${Empty} title="Follow one request">Fill the form and send it: a real request from a pod or from this machine, each leg with what travelled, both proxies’ logs, and the line that decided.<//>`}
  </section></div>`;
}

function body(query) {
  const headers = (query.headers || "").split("\n").filter((line) => line.includes(":"))
    .map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
  return { url: query.url, method: query.method || "GET", headers, body: query.body || "", from: query.from || "",
    namespace: query.ns || "default", http: query.http || "1.1", insecure: query.k === "1" };
}

const quoted = (text) => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export function command(query) {
  const words = ["lateen curl", quoted(query.url || "URL")];
  if (query.method) words.push("-X", query.method);
  if (query.from) words.push("--from", quoted(query.from));
  if (query.ns) words.push("--namespace", quoted(query.ns));
  for (const line of (query.headers || "").split("\n").filter((l) => l.includes(":"))) words.push("-H", quoted(line.trim()));
  if (query.body) words.push("--data-raw", quoted(query.body));
  if (query.http) words.push(query.http === "2" ? "--http2" : "--http1.0");
  if (query.k) words.push("-k");
  return words.join(" ");
}

function Story({ answer, query, set }) {
  const { response, verdict, legs } = answer;
  const good = response.status !== null && response.status < 400;
  const worst = legs.findIndex((leg) => leg.failed);
  const picked = query.leg ? Number(query.leg) - 1 : worst >= 0 ? worst : Math.max(0, legs.findIndex((l) => l.tls !== "none"));
  return html`<article class="story">
    <header class="verdict ${good ? "good" : "bad"}" role="status"><span class="status">${response.status ?? "no answer"}</span>
      <div><p>${verdict.sentence}</p><p class="quiet-text">${verdict.code} · ${(response.seconds * 1000).toFixed(1)} ms · ${answer.request.method} ${answer.request.path} from ${answer.request.from}</p></div></header>
    <${Ladder} legs=${legs} picked=${picked} pick=${(n) => set({ leg: String(n + 1) })} />
    ${legs[picked] && html`<${Leg} legs=${legs} number=${picked} verdict=${verdict} query=${query} set=${set} />`}
    ${verdict.remedies.length > 0 && html`<section><h3>What mends it, tried</h3><ul class="remedies">${verdict.remedies.map((each, n) => html`<li key=${n}>${each.weakens && html`<span class="tag warn">weakens</span>`} ${each.text}
      <span class="quiet-text">${each.edits.map((e) => e.location).filter(Boolean).join(", ")}</span></li>`)}</ul></section>`}
    ${verdict.hints.length > 0 && html`<section><h3>Worth a look</h3><ul class="remedies">${verdict.hints.map((h) => html`<li key=${h}>${h}</li>`)}</ul></section>`}
    <details class="body"><summary>Answer: ${response.headers.length} headers, ${response.size} bytes</summary><pre tabindex="0">${response.headers.map(([n, v]) => `${n}: ${v}`).join("\n")}\n\n${response.body || response.error}</pre></details>
  </article>`;
}

/** Parties in the order of the legs; those of one pod stand in one box. */
function parties(legs) {
  const found = [];
  for (const leg of legs) {
    for (const end of [leg.from, leg.to]) {
      const key = `${end.role}|${end.name}`;
      if (!found.some((each) => each.key === key)) found.push({ key, ...end });
    }
  }
  return found;
}

function Ladder({ legs, picked, pick }) {
  const who = parties(legs);
  const wide = 230, top = 64, step = 62;
  const x = (end) => who.findIndex((each) => each.key === `${end.role}|${end.name}`) * wide + wide / 2;
  const width = who.length * wide, height = top + legs.length * step + 24;
  const pods = who.map((each, n) => ({ ...each, n })).filter((each) => each.n + 1 < who.length && each.role === "sidecar" && who[each.n + 1].role === "app" && who[each.n + 1].name === each.name);
  return html`<div class="canvas ladder"><svg viewBox="0 0 ${width} ${height}" width=${width} height=${height} role="group" aria-label="Legs of the request, in order">
    ${pods.map((p) => html`<g key=${p.key}><rect class="pod" x=${p.n * wide + 14} y="6" width=${2 * wide - 28} height=${height - 12} rx="9" /></g>`)}
    ${who.map((each, n) => html`<g key=${each.key}><path class="life" d="M${n * wide + wide / 2} ${top - 10}V${height - 16}" />
      <text class="name" x=${n * wide + wide / 2} y="28" text-anchor="middle">${each.role}</text>
      <text class="where" x=${n * wide + wide / 2} y="45" text-anchor="middle">${clip(each.name === each.role ? each.address : each.name.slice(each.name.indexOf("/") + 1), 30)}<title>${each.name} ${each.address}</title></text></g>`)}
    ${legs.map((leg, n) => html`<${Step} key=${n} leg=${leg} n=${n} x1=${x(leg.from)} x2=${x(leg.to)} y=${top + n * step + 34} on=${n === picked} pick=${() => pick(n)} />`)}
  </svg></div>`;
}

const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function Step({ leg, n, x1, x2, y, on, pick }) {
  const kind = leg.tls || "refused";
  const end = leg.failed || !leg.tls ? x2 - 26 : x2 - 3;
  const first = leg.wire.request || leg.wire.sni || leg.wire.version || leg.wire.kind || "not sent";
  const status = leg.server_log?.status ?? leg.client_log?.status;
  const ms = leg.server_log?.seconds ?? leg.client_log?.seconds;
  const said = `leg ${n + 1}: ${leg.from.role} to ${leg.to.role}, ${WORDS[kind]}${leg.failed ? ", failed here" : ""}`;
  const key = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } };
  const middle = (x1 + x2) / 2;
  return html`<g class="edge step ${leg.failed ? "bad" : "good"} ${on ? "on" : ""}" role="button" tabindex="0" data-row aria-label=${said} aria-pressed=${String(on)} onClick=${pick} onKeyDown=${key}>
    <rect class="band" x=${Math.min(x1, x2) + 6} y=${y - 30} width=${Math.abs(x2 - x1) - 12} height="50" rx="6" />
    <path class="edge-line" d="M${x1 + 2} ${y}H${end}" stroke-dasharray=${dashes(kind)} />
    <path class="arrow" d=${leg.failed || !leg.tls ? `M${end - 5} ${y - 6}l12 12m0 -12l-12 12` : `M${end - 8} ${y - 4.5}L${end} ${y}L${end - 8} ${y + 4.5}`} />
    <g transform="translate(${x1 + 14} ${y - 23})">${lockShape(kind)}</g>
    <text class="word" x=${x1 + 36} y=${y - 11}>${WORDS[kind]}</text>
    <text class="wire" x=${middle} y=${y + 15} text-anchor="middle">${clip(first, 30)}<title>${leg.line}</title></text>
    <text class="wire" x=${x2 - 14} y=${y - 11} text-anchor="end">${[status || "", ms == null ? "" : `${(ms * 1000).toFixed(1)} ms`].filter(Boolean).join(" · ")}</text></g>`;
}

const TABS = { wire: "Wire", logs: "Logs", decided: "Decided by" };

function Leg({ legs, number, verdict, query, set }) {
  const leg = legs[number];
  const tab = query.tab || (leg.failed ? "logs" : "wire");
  return html`<section class="leg"><header><h3>Leg ${number + 1}: ${leg.from.role} → ${leg.to.role}</h3>
    <div class="group" role="group" aria-label="About this leg">${Object.entries(TABS).map(([k, name]) => html`<button type="button" key=${k} aria-pressed=${String(tab === k)} onClick=${() => set({ tab: k })}>${name}</button>`)}</div></header>
    ${tab === "wire" && html`<${Wire} leg=${leg} beside=${legs[number + 1]} />`}
    ${tab === "logs" && html`<${Logs} leg=${leg} />`}
    ${tab === "decided" && html`<${Decided} sources=${verdict.sources} />`}</section>`;
}

function Wire({ leg, beside }) {
  const { wire } = leg;
  const clear = leg.tls === "none" ? wire : beside && beside.tls === "none" && beside.from.name === leg.to.name ? beside.wire : null;
  return html`<div class="two"><div><h4>What an outsider sees <span class="quiet-text">${wire.seen ? `by ${wire.seen}` : ""}</span></h4>
    <p class="big"><${Lock} kind=${leg.tls || "refused"} /> ${WORDS[leg.tls || "refused"]}</p>
    <${Facts} rows=${[["Kind", wire.kind], ["Version", wire.version], ["SNI", wire.sni], ["ALPN", wire.alpn.join(", ")], ["Client", leg.client_identity && soft(leg.client_identity)], ["Server", leg.server_identity && soft(leg.server_identity)], ["Connection", wire.reused ? "had carried an earlier request" : "new"],
      ["Ends", `${leg.from.address} → ${leg.to.address}`]]} /></div>
    <div><h4>What was said in it</h4>${clear && (clear.request || clear.response) ? html`<pre tabindex="0">${clear.request && `> ${clear.request}`}\n${clear.response && `< ${clear.response}`}</pre>
      <p class="quiet-text">${leg.tls === "none" ? "As it travelled: anybody on the way reads it." : `From the leg ${beside.from.role} → ${beside.to.role}, inside the pod.`}</p>` : html`<p class="quiet-text">${leg.tls ? "Nobody but the two ends can say: no leg beside it is clear." : "Nothing was sent."}</p>`}</div></div>`;
}

const LOG = ["status", "flags", "details", "upstream_failure", "downstream_failure", "request_id", "start", "seconds"];

function Logs({ leg }) {
  const one = leg.client_log, other = leg.server_log;
  if (!one && !other) return html`<p class="quiet-text">No proxy logs this leg: ${leg.line}</p>`;
  const rows = LOG.filter((name) => (one?.[name] ?? "") !== "" || (other?.[name] ?? "") !== "");
  const cell = (log, name) => (log ? log[name] ?? "–" : "");
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="rows logs"><caption class="hidden">Logs of client and server</caption><thead><tr><th scope="col">Field</th><th scope="col">Client’s proxy ${one ? "" : "(none)"}</th><th scope="col">Server’s proxy ${other ? "" : "(none)"}</th></tr></thead>
    <tbody><tr><th scope="row">proxy</th><td>${one && soft(one.proxy)}</td><td>${other && soft(other.proxy)}</td></tr>
    ${rows.map((name) => html`<tr key=${name} class=${one && other && cell(one, name) !== cell(other, name) && !["seconds", "start"].includes(name) ? "differs" : ""}><th scope="row">${name}</th><td>${soft(cell(one, name))}</td><td>${soft(cell(other, name))}</td></tr>`)}</tbody></table></div>
    ${leg.reasons.map((r, n) => html`<p key=${n}><strong>${r.side}:</strong> ${r.text}</p>`)}`;
}

function Decided({ sources }) {
  if (!sources.length) return html`<p class="quiet-text">No manifest decided it.</p>`;
  return html`${sources.map((each) => html`<${Excerpt} key=${each.text} source=${each} />`)}`;
}
