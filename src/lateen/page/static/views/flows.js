// What goes on now: hops as both proxies log them. Rows come on top while the top is seen.
import { html, useEffect, useRef, useState, go, Lock, Command, Empty, time, soft } from "../parts/frame.js";
import { lines, own, state } from "../data/lab.js";
import { WORDS } from "../model/mesh.js";

const KEPT = 5000, DRAWN = 400;

export function Flows({ place }) {
  const { query } = place;
  const rows = useRef([]);
  const [, again] = useState(0);
  const [trouble, say] = useState("");
  const [held, hold] = useState(0);
  const top = useRef();
  const paused = query.paused === "1";
  const set = (changes, how) => go({ ...place, query: { ...query, ...changes } }, how);
  useEffect(() => {
    if (paused || state.link === "saved") return undefined;
    const cut = new AbortController();
    let frame = 0, waiting = [];
    const flush = () => {
      frame = 0;
      const scrolled = top.current && top.current.scrollTop > 8;
      rows.current = [...waiting.reverse(), ...rows.current].sort((a, b) => (a.time && b.time ? (a.time < b.time ? 1 : a.time > b.time ? -1 : 0) : 0)).slice(0, KEPT);
      if (scrolled) hold((n) => n + waiting.length); else again((n) => n + 1);
      waiting = [];
    };
    const read = async () => {
      while (!cut.signal.aborted) {
        try {
          await lines(own("tap"), (line) => { waiting.push(line); frame ||= setTimeout(flush, 100); }, cut.signal);
        } catch (error) { if (!cut.signal.aborted) say(error.message); }
        await new Promise((done) => setTimeout(done, 1000));
      }
    };
    read();
    return () => { cut.abort(); clearTimeout(frame); };
  }, [paused]);
  const words = (query.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  const seen = rows.current.filter((r) => r.event === "sampled" || r.event === "lost" || (
    (!query.tls || r.tls === query.tls) && (!query.status || String(r[":status"] || "").startsWith(query.status))
    && words.every((w) => (w[0] === "-" && w[1]) ? !text(r).includes(w.slice(1)) : text(r).includes(w))));
  const command = `lateen tap${query.tls ? ` --tls ${query.tls}` : ""}${query.status ? ` --http-status ${query.status}+` : ""}`;
  return html`<div class="view"><section class="main" aria-label="Flows"><div class="tools">
    <input class="filter" data-key="/" type="search" aria-label="Filter rows; a minus leaves out" placeholder="Filter, or -leave out" value=${query.q || ""} onInput=${(e) => set({ q: e.target.value }, { replace: true })} />
    <label>Travelled <select value=${query.tls || ""} onChange=${(e) => set({ tls: e.target.value })}><option value="">all</option>${["mtls", "tls", "none"].map((k) => html`<option key=${k} value=${k}>${WORDS[k]}</option>`)}</select></label>
    <label>Status <select value=${query.status || ""} onChange=${(e) => set({ status: e.target.value })}><option value="">all</option>${["2", "3", "4", "5"].map((k) => html`<option key=${k} value=${k}>${k}xx</option>`)}</select></label>
    <button type="button" data-key="p" aria-pressed=${String(paused)} onClick=${() => set({ paused: paused ? "" : "1" })}>${paused ? "Go on" : "Pause"}</button>
    ${held > 0 && html`<button type="button" class="primary" onClick=${() => { hold(0); top.current.scrollTop = 0; }}>${held} new</button>`}
    <span class="quiet-text">${seen.length} ${seen.length === 1 ? "row" : "rows"}</span></div>
    ${trouble && html`<p class="alert bad" role="alert">${trouble}</p>`}
    ${!seen.length ? html`<${Empty} title=${rows.current.length ? "No row passes the filter" : paused ? "Paused" : "Waiting for requests"} command="lateen curl http://istio-ingressgateway/">${rows.current.length ? `${rows.current.length} are kept.` : "Rows come as proxies log them. What was before this page was opened is in the mesh."}<//>`
      : html`<div class="scroll tall" tabindex="0" role="group" aria-label="Rows" ref=${top}><table class="rows"><caption class="hidden">Hops, the newest first</caption><thead><tr><th scope="col">Time</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Travelled</th><th scope="col">Request</th><th scope="col" class="number">Status</th><th scope="col">Flags</th><th scope="col" class="number">Latency</th><th scope="col">Reason</th></tr></thead>
      <tbody>${seen.slice(0, DRAWN).map((r, n) => html`<${Row} key=${`${r.id}${r.time}${r.proxy}${r.dst}` || n} r=${r} />`)}</tbody></table></div>`}
    <${Command} text=${command} /></section></div>`;
}

const text = (r) => Object.values(r).join(" ").toLowerCase();

function Row({ r }) {
  if (r.event === "sampled") return html`<tr class="said"><td colspan="9">${r.one_in === 1 ? "Every request is reported again." : `So many requests: one in ${r.one_in} is reported, and every one that failed.`}</td></tr>`;
  if (r.event === "lost") return html`<tr class="said"><td colspan="9">${r.entries} log entries were lost: this page reads too slowly.</td></tr>`;
  const bad = r.event === "refused" || r[":status"] === 0 || r[":status"] >= 500;
  return html`<tr class=${bad ? "bad" : "good"}><td class="mono">${time(r.time)}</td><th scope="row">${soft(r.src)}</th><td>${soft(r.dst)}:${(r.dst_addr || "").split(":").pop()}</td>
    <td class="kind"><${Lock} kind=${r.event === "refused" ? "refused" : r.tls} /> ${r.event === "refused" ? "refused" : WORDS[r.tls]}</td>
    <td class="mono">${r[":method"] ? `${r[":method"]} ${r[":path"]}` : r.event}</td><td class="number health">${r[":status"] || "–"}</td><td class="mono">${[...new Set([r.flags, r.server_flags])].filter(Boolean).join(" / ")}</td><td class="number">${(r.latency || "").replace("ms", " ms")}</td><td class="why">${[r.reason, r.server_reason].filter(Boolean).join(" / ")}</td></tr>`;
}
