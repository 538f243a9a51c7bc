// The web console: a view of the native API and nothing that it can't do. The page holds no data of its
// own; everything comes with the key that was typed in, and is put on the page as text, never as markup.

const POLL_MS = 1000, EVENTS_KEPT = 60, HISTORY = 120, CALLS_SHOWN = 20;
const $ = (id) => document.getElementById(id);
const key = () => sessionStorage.getItem("outdial-key");

class Refused extends Error {}

async function ask(method, path, body) {
  const answer = await fetch(`/outdial/v1${path}`, {
    method, cache: "no-store",
    headers: { Authorization: `Bearer ${key()}`,
               ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  if (answer.status === 401) throw new Refused("This key is not valid here.");
  const text = await answer.text();
  const doc = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(doc?.detail ?? `${answer.status} ${answer.statusText}`);
  return doc;
}

// ---- making elements ----

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null).map((child) => child instanceof Node ? child : String(child)));
  return element;
}

const chip = (text, kind) => make("span", { class: `chip ${kind}` }, text);
const number = (value) => make("td", { class: "number" }, value ?? "");
const clock = (at) => new Date(at).toLocaleTimeString();

// Orders are buttons; a click is answered at once by the next look at the server.
function order(label, path, { method = "POST", body, sure, disabled } = {}) {
  return make("button", { disabled, onclick: async (event) => {
    if (sure && !confirm(sure)) return;
    event.target.disabled = true;
    try { await ask(method, path, body); } catch (error) { alert(error.message); }
    look();
  } }, label);
}

// A table is made anew at each look; whoever stands on a button of it with the keyboard stays there.
function table(id, heads, rows, none) {
  const places = () => [...$(id).querySelectorAll("button")];
  const place = places().indexOf(document.activeElement);
  const head = make("thead", {}, make("tr", {}, ...heads.map((h) => make("th", { scope: "col", class: h.startsWith("#") ? "number" : null }, h.replace("#", "")))));
  const body = make("tbody", {}, ...(rows.length ? rows : [make("tr", {}, make("td", { colspan: heads.length, class: "text" }, none))]));
  $(id).replaceChildren(head, body);
  if (place >= 0) places()[place]?.focus();
}

// ---- tiles ----

const history = {}; // name: values, the newest last
let before = null;

function spark(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  const top = Math.max(1, ...values);
  svg.setAttribute("viewBox", `0 0 ${HISTORY} 26`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("points", values.map((v, i) => `${HISTORY - values.length + i},${25 - 24 * v / top}`).join(" "));
  svg.append(line);
  return svg;
}

function tile(name, value, digits = 0) {
  const values = history[name] ??= [];
  values.push(value);
  if (values.length > HISTORY) values.shift();
  return make("div", { class: "tile" }, name, make("b", {}, value.toFixed(digits)), spark(values));
}

function showTiles({ calls, since_start: since }) {
  const now = { ...since, at: performance.now() };
  const rate = (what) => before && now[what] >= before[what] ? (now[what] - before[what]) * 1000 / (now.at - before.at) : 0;
  $("tiles").replaceChildren(
    tile("talking", calls.talking), tile("ringing", calls.ringing), tile("dialing", calls.dialing),
    tile("queued here", calls.queued), tile("INVITEs/s", rate("invited"), 1),
    tile("answers/s", rate("answered"), 1), tile("ends/s", rate("ended"), 1));
  before = now;
}

// ---- trunks and campaigns ----

const HEALTH = { up: "good", probing: "warn", down: "bad" };

function showTrunks(trunks) {
  table("trunks", ["Trunk", "Health", "#In use", "#Calls/s", "#INVITEs", "#Answers", "#Failures", "Why", ""], trunks.map((t) => {
    const path = `/trunks/${encodeURIComponent(t.name)}`;
    const open = t.usable || t.health !== "up";
    return make("tr", {},
      make("td", { title: t.server }, t.name), make("td", {}, chip(t.health, HEALTH[t.health] ?? "plain")),
      number(t.max_calls ? `${t.in_use} / ${t.max_calls}` : t.in_use),
      number(t.working_cps && t.working_cps !== t.cps ? `${t.working_cps} of ${t.cps}` : t.cps),
      number(t.invites), number(t.answers), number(t.failures),
      make("td", { class: "text" }, t.reason ?? t.health_reason ?? t.rate_reason ?? ""),
      make("td", {}, open ? order("Pause", `${path}/pause`) : order("Resume", `${path}/resume`),
        order("Drain", `${path}/drain`, { disabled: !open })));
  }), "No trunks: they are set in the server's configuration.");
}

const STATES = { running: "good", completed: "plain", paused: "warn", created: "plain", canceled: "plain" };
const SOFT = new Set(["busy", "no_answer", "declined", "machine", "canceled", "deadline"]);

function progress({ total, active, outcomes = {} }) {
  const parts = Object.entries(outcomes).map(([cause, count]) => [cause, count, cause === "completed" ? "completed" : SOFT.has(cause) ? "soft" : "hard"]);
  parts.push(["in progress", active, "active"]);
  const bar = make("div", { class: "bar", role: "img", "aria-label": parts.filter((p) => p[1]).map(([c, n]) => `${c} ${n}`).join(", ") });
  for (const [cause, count, kind] of parts) {
    const part = make("i", { class: kind, title: `${cause}: ${count}` });
    part.style.width = `${total ? count * 100 / total : 0}%`;
    bar.append(part);
  }
  return bar;
}

function showCampaigns(campaigns) {
  table("campaigns", ["Campaign", "State", "Progress", "#Ended", "#Waiting", "#Calls/s", "Outcomes", ""], campaigns.map((c) => {
    const path = `/campaigns/${c.id}`, over = ["completed", "canceled"].includes(c.state);
    return make("tr", {},
      make("td", { title: c.id }, c.name), make("td", {}, chip(c.state, STATES[c.state] ?? "plain")),
      make("td", {}, progress(c.counts)), number(`${c.counts.ended} / ${c.counts.total}`), number(c.counts.waiting), number(c.cps ?? ""),
      make("td", { class: "text" }, Object.entries(c.counts.outcomes ?? {}).map(([cause, n]) => `${cause} ${n}`).join(", ")),
      make("td", {}, c.state === "created" ? order("Start", `${path}/start`) : null,
        c.state === "running" ? order("Pause", `${path}/pause`) : null,
        c.state === "paused" ? order("Resume", `${path}/resume`) : null,
        over ? null : order("Cancel", path, { method: "DELETE", sure: `Cancel “${c.name}”? What has not been dialled never will be.` })));
  }), "No campaigns: outdial campaign run CONTACTS.csv --agent NAME makes one.");
}

// ---- calls ----

const ENDED = { completed: "good", busy: "warn", no_answer: "warn", declined: "warn", machine: "warn" };
const LIVE = new Set(["dialing", "ringing", "talking", "queued", "waiting", "created", "start_hook"]);
const kindOf = (status) => ENDED[status] ?? (LIVE.has(status) ? "plain" : "bad");

function showCalls(calls) {
  table("calls", ["To", "Status", "Trunk", "Made", "#Talk", ""], calls.map((c) => make("tr", {},
    make("td", {}, c.to), make("td", {}, chip(c.status, kindOf(c.status))), make("td", {}, c.trunk ?? ""),
    make("td", {}, clock(c.created_at)), number(c.duration_ms != null ? `${(c.duration_ms / 1000).toFixed(1)} s` : ""),
    make("td", {}, make("button", { class: "link", onclick: () => openCall(c.id) }, "Details")))),
  "No single calls yet.");
}

let shownCall = null;

async function openCall(id) {
  shownCall = id;
  await showCall();
  if (!$("detail").open) $("detail").showModal();
}

async function showCall() {
  const id = shownCall;
  try {
    const [{ call, trace }, why] = await Promise.all([ask("GET", `/calls/${id}/trace`), ask("GET", `/calls/${id}/why`).catch(() => null)]);
    if (id !== shownCall) return;
    $("detail-title").textContent = `${call.to}: ${call.status}`;
    $("why").textContent = why?.reason ? `Waits for: ${why.reason}${why.until ? `, until ${new Date(why.until).toLocaleString()}` : ""}` : "";
    $("facts").replaceChildren(...Object.entries(call).filter(([, value]) => value != null)
      .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, typeof value === "object" ? JSON.stringify(value) : value)]));
    $("trace").replaceChildren(...trace.map((t) => make("li", { class: t.kind },
      make("span", {}, t.at.slice(11, 23)), make("span", {}, { sent: "→", received: "←" }[t.kind] ?? ""), make("span", {}, t.text))));
    $("cancel").disabled = !["created", "waiting", "queued", "start_hook", "dialing", "ringing"].includes(call.status);
    $("hangup").disabled = !["dialing", "ringing", "talking"].includes(call.status);
  } catch (error) {
    $("why").textContent = error.message;
  }
}

for (const what of ["cancel", "hangup"]) {
  $(what).addEventListener("click", async () => {
    try { await ask("POST", `/calls/${shownCall}/${what}`); } catch (error) { alert(error.message); }
    showCall();
  });
}
$("shut").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("close", () => { shownCall = null; });

let dialKey = crypto.randomUUID?.() ?? String(Math.random());

// One Idempotency-Key until the call was made: a second click on a slow line makes no second call.
$("dial").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/outdial/v1/calls", {
    method: "POST",
    headers: { Authorization: `Bearer ${key()}`, "Content-Type": "application/json", "Idempotency-Key": `"${dialKey}"` },
    body: JSON.stringify({ to: $("to").value.trim(), agent: $("agent").value }),
  }).catch(() => null);
  const doc = await answer?.json().catch(() => null);
  if (answer && answer.status !== 409) dialKey = crypto.randomUUID?.() ?? String(Math.random());
  $("dialled").textContent = answer?.ok ? "" : doc?.detail ?? "The server does not answer.";
  $("dialled").className = answer?.ok ? "" : "bad";
  if (answer?.ok) openCall(doc.id);
  look();
});

async function showAgents() {
  const { data } = await ask("GET", "/agents?limit=100");
  $("agent").replaceChildren(...data.map((a) => make("option", { value: a.name }, a.name)));
}

// ---- events: a stream read by hand, because EventSource can't send a key ----

let lastEvent = null;

function takeEvent(block) {
  const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1).trim();
  const data = field("data");
  if (!data) return;
  lastEvent = field("id") ?? lastEvent;
  const event = JSON.parse(data);
  const about = event.to ?? event.number ?? event.campaign ?? event.call ?? "";
  const id = event.call ?? event.call_id;
  $("events").prepend(make("li", {}, make("span", {}, clock(event.at_ms ?? Date.now())), make("span", {}, field("event") ?? ""),
    id ? make("button", { class: "link", onclick: () => openCall(id) }, about) : make("span", {}, about)));
  while ($("events").children.length > EVENTS_KEPT) $("events").lastChild.remove();
}

async function follow(used) {
  while (key() === used) {
    try {
      const answer = await fetch("/outdial/v1/events", { headers: { Authorization: `Bearer ${used}`, ...(lastEvent ? { "Last-Event-ID": lastEvent } : {}) } });
      const reader = answer.ok ? answer.body.pipeThrough(new TextDecoderStream()).getReader() : null;
      for (let text = ""; reader && key() === used;) {
        const { value, done } = await reader.read();
        if (done) break;
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        blocks.forEach(takeEvent);
      }
      reader?.cancel();
    } catch { /* the server is away: try again */ }
    await new Promise((resolve) => setTimeout(resolve, 2 * POLL_MS));
  }
}

// ---- looking, signing in and out ----

// While a button is held down nothing is made anew, or the click would miss it.
let pressed = false;
addEventListener("pointerdown", () => { pressed = true; });
addEventListener("pointerup", () => { pressed = false; });
addEventListener("pointercancel", () => { pressed = false; });

async function look() {
  try {
    const [limits, trunks, campaigns, calls, ready] = await Promise.all([
      ask("GET", "/limits"), ask("GET", "/trunks"), ask("GET", "/campaigns?limit=20"), ask("GET", `/calls?limit=${CALLS_SHOWN}`),
      fetch("/readyz", { cache: "no-store" }).then((answer) => answer.json())]);
    if (pressed) return;
    $("away").hidden = true;
    $("ready").className = `chip ${ready.ready ? "good" : "warn"}`;
    $("ready").textContent = ready.ready ? "ready" : ready.reasons.join("; ");
    showTiles(limits);
    showTrunks(trunks.data);
    showCampaigns(campaigns.data);
    showCalls(calls.data);
    if (shownCall) showCall();
  } catch (error) {
    if (error instanceof Refused) return leave(error.message);
    $("away").textContent = `The server does not answer as it should: ${error.message}`;
    $("away").hidden = false;
  }
}

let timer = null;

function enter() {
  $("enter").hidden = true;
  $("board").hidden = $("leave").hidden = false;
  look();
  showAgents().catch(() => {});
  follow(key());
  timer = setInterval(() => { if (!document.hidden) look(); }, POLL_MS);
}

function leave(message = "") {
  clearInterval(timer);
  sessionStorage.removeItem("outdial-key");
  for (const id of ["tiles", "trunks", "campaigns", "calls", "events"]) $(id).replaceChildren();
  $("ready").textContent = $("ready").className = "";
  if ($("detail").open) $("detail").close();
  $("board").hidden = $("leave").hidden = true;
  $("enter").hidden = false;
  $("refused").textContent = message;
  $("key").focus();
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("outdial-key", $("key").value.trim());
  $("key").value = "";
  enter();
});
$("leave").addEventListener("click", () => leave());
if (key()) enter(); else leave();
