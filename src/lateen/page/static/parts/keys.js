// Keys of the whole page. Single letters do nothing while somebody types, and can be turned off.
import { html, useEffect, useRef, useState, go } from "./frame.js";

const VIEWS = { m: "mesh", r: "request", f: "flows", p: "posture", o: "objects" };
const OFF = "lateen-keys-off";
let waiting = false;

const typing = (element) => element && (element.matches("input, textarea, select") || element.isContentEditable);

export function keys({ help }) {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (typing(event.target)) event.target.blur();
      else document.querySelector('[data-key="Escape"]')?.click();
      return;
    }
    if (event.key === "Enter" && event.ctrlKey) { document.querySelector("form.form")?.requestSubmit(); return; }
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(OFF)) return;
    if (waiting && VIEWS[event.key]) { waiting = false; event.preventDefault(); go({ view: VIEWS[event.key] }); return; }
    waiting = event.key === "g";
    if (event.key === "?") help();
    else if (event.key === "/") { event.preventDefault(); document.querySelector('input[data-key="/"]')?.focus(); }
    else if (event.key === "c" || event.key === "p") document.querySelector(`[data-key="${event.key}"]`)?.click();
    else if (event.key === "n") step("[data-problem]", 1);
    else if (event.key === "j" || event.key === "k") step("[data-row]", event.key === "j" ? 1 : -1);
  });
}

function step(what, by) {
  const all = [...document.querySelectorAll(what)];
  const at = all.indexOf(document.activeElement);
  all[(at + by + all.length) % all.length]?.focus();
}

const LIST = [["?", "these keys"], ["/", "filter"], ["g m r f p o", "go to a view"], ["n", "next problem"], ["j k", "next and previous row"], ["arrows", "along the graph’s edges"], ["Home", "the graph’s worst edge"], ["Enter", "open"], ["Esc", "close"], ["p", "pause flows"], ["c", "copy the command"], ["Ctrl Enter", "send"]];

export function Keys({ close }) {
  const ref = useRef();
  const [off, set] = useState(Boolean(localStorage.getItem(OFF)));
  useEffect(() => { ref.current.showModal(); }, []);
  const change = (event) => {
    if (event.target.checked) localStorage.removeItem(OFF); else localStorage.setItem(OFF, "1");
    set(!event.target.checked);
  };
  return html`<dialog ref=${ref} class="keys" aria-labelledby="keys" onClose=${close}><h2 id="keys">Keys</h2><dl>${LIST.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" checked=${!off} onChange=${change} /> Single letters are keys</label><form method="dialog"><button>Close</button></form></dialog>`;
}
