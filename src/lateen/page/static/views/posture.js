// What may happen: every class of requests, as `lateen posture` tells it.
import { html, useEffect, useState, go, Lock, Command, Empty, soft } from "../parts/frame.js";
import { Source } from "../parts/source.js";
import { ask, own, state } from "../data/lab.js";
import { WORDS } from "../model/mesh.js";
import { kindOf } from "../model/posture.js";

const ONLY = { "": "everything", plaintext: "plaintext", denied: "denied", broken: "broken", unknown: "unknown" };
const DRAWN = 300;

export function Posture({ place }) {
  const { query } = place;
  const [told, set] = useState(null);
  const [trouble, say] = useState("");
  const [asked, again] = useState(0);
  const wanted = new URLSearchParams(["from", "only", "to"].filter((k) => query[k]).map((k) => [k, query[k]])).toString();
  useEffect(() => {
    const cut = new AbortController();
    say(""); set(null);
    ask(own(`posture${wanted ? `?${wanted}` : ""}`), undefined, cut.signal).then(set, (error) => { if (!cut.signal.aborted) say(error.message); });
    return () => cut.abort();
  }, [wanted, asked]);
  const change = (name) => (event) => go({ ...place, query: { ...query, [name]: event.target.value } });
  const rows = (told?.cells || []).flatMap((cell) => cell.classes.map((one) => ({ cell, one })));
  const open = (told?.cells || []).flatMap((cell) => cell.open.map((why) => `${cell.to}: ${why}`));
  const command = ["lateen posture", ...["from", "to", "only"].filter((k) => query[k]).map((k) => `--${k} ${query[k]}`)].join(" ");
  return html`<div class="view"><section class="main" aria-label="Posture"><div class="tools">
    <label>From <input value=${query.from || ""} placeholder="all" onChange=${change("from")} data-key="/" /></label>
    <label>To <input value=${query.to || ""} placeholder="all" onChange=${change("to")} /></label>
    <label>Only <select value=${query.only || ""} onChange=${change("only")}>${Object.entries(ONLY).map(([k, word]) => html`<option key=${k} value=${k}>${word}</option>`)}</select></label>
    <button type="button" disabled=${state.link === "saved"} onClick=${() => again((n) => n + 1)}>Ask again</button>
    <span class="quiet-text" role="status">${told ? `${rows.length} ${rows.length === 1 ? "class" : "classes"} of requests` : trouble ? "" : "All requests are being looked at"}</span></div>
    ${trouble && html`<p class="alert bad" role="alert">${trouble}</p>`}
    ${open.length > 0 && html`<p class="alert warn">Left open: ${open.slice(0, 5).join("; ")}</p>`}
    ${told && !rows.length && html`<${Empty} title="Nothing is of this kind">No request of these clients to these destinations is.<//>`}
    ${rows.length > 0 && html`<div class="scroll tall" tabindex="0" role="group" aria-label="Classes of requests"><table class="rows"><caption class="hidden">Who can reach what, and how protected</caption>
      <thead><tr><th scope="col">To</th><th scope="col">From</th><th scope="col">Requests</th><th scope="col">Protected by</th><th scope="col">What happens</th><th scope="col">Decided by</th></tr></thead>
      <tbody>${rows.slice(0, DRAWN).map(({ cell, one }, n) => html`<${Row} key=${n} cell=${cell} one=${one} />`)}</tbody></table></div>`}
    ${rows.length > DRAWN && html`<p class="aside">${rows.length - DRAWN} more: ask for fewer clients or destinations.</p>`}
    <${Command} text=${command} /></section></div>`;
}

/** One class of requests. */
function Row({ cell, one }) {
  const kind = kindOf(one);
  const source = one.sources.find((s) => s.location) || one.sources[0];
  return html`<tr class=${one.reached ? "good" : "bad"}><th scope="row">${soft(cell.to)}</th><td>${cell.clients.map((name) => html`<div key=${name}>${soft(name)}</div>`)}</td>
    <td class="mono">${one.requests.join("; ") || "all"}</td><td class="kind"><${Lock} kind=${kind} /> ${kind === "refused" ? "not reached" : WORDS[kind]}</td><td class="health why">${one.words}</td>
    <td>${source && html`<${Source} source=${source} />`}</td></tr>`;
}
