// Fills the page of a run that goes on, as its tests end. Whatever comes is put in as text, never as HTML.
"use strict";

(() => {
  const box = document.getElementById("live");
  if (!box) return;
  const status = document.getElementById("live-status");
  const progress = document.getElementById("live-progress");
  const table = document.getElementById("live-tests");
  const rows = table.tBodies[0];
  const MOST_ROWS = 200;
  const TONES = { passed: "good", xpassed: "good", failed: "bad", error: "bad" };
  const SIGNS = { passed: "✓", xpassed: "✓", failed: "✗", error: "✗" };
  const WORDS = { xfailed: "failed as expected", xpassed: "passed unexpectedly" };
  const OUTCOMES = { passed: "passed", failed: "failed", errors: "error", skipped: "skipped", xfailed: "xfailed", xpassed: "xpassed" };
  let attempt = 0; // the newest one: an earlier attempt counts no more
  const shards = new Map(); // for each of its shards: how many tests had which outcome
  const totals = new Map();
  const began = new Map();
  const messages = new Map();
  let due = false;

  const duration = (seconds) => (seconds < 0.9995 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

  const cell = (row, text, css) => {
    const td = row.insertCell();
    td.textContent = text;
    td.className = css;
    return td;
  };

  const ended = (counts, event) => {
    counts.set(event.outcome, (counts.get(event.outcome) || 0) + 1);
    const row = rows.insertRow(0);
    cell(row, `${SIGNS[event.outcome] || "–"} ${WORDS[event.outcome] || event.outcome}`, TONES[event.outcome] || "idle");
    const name = cell(row, String(event.id), "name");
    if (messages.has(event.id)) {
      const why = name.appendChild(document.createElement("div"));
      why.className = "why";
      why.textContent = messages.get(event.id);
      messages.delete(event.id);
    }
    cell(row, duration(Number(event.seconds) || 0), "num");
    while (rows.rows.length > MOST_ROWS) rows.deleteRow(-1);
    table.hidden = false;
  };

  const show = () => {
    due = false;
    const counts = new Map();
    for (const shard of shards.values()) for (const [outcome, count] of shard) counts.set(outcome, (counts.get(outcome) || 0) + count);
    const done = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const total = [...totals.values()].reduce((sum, count) => sum + count, 0);
    const words = [...counts].map(([outcome, count]) => `${count} ${outcome === "error" && count > 1 ? "errors" : WORDS[outcome] || outcome}`).join(", ");
    const now = [...began.values()].at(-1);
    status.textContent = (done || total ? `${done} of ${Math.max(total, done)} tests: ${words || "none has ended yet"}` : "the environment starts")
      + (now ? `. Now: ${now}` : "");
    progress.hidden = !total;
    progress.max = Math.max(total, done, 1);
    progress.value = done;
  };

  const take = (message) => {
    const { attempt: number, shard: key, event } = JSON.parse(message.data);
    if (number < attempt) return;
    if (number > attempt) {
      for (const map of [shards, totals, began, messages]) map.clear();
      rows.replaceChildren();
      attempt = number;
    }
    if (!shards.has(key)) shards.set(key, new Map());
    if (message.type === "collected") totals.set(key, Number(event.count) || 0);
    if (message.type === "progress") { // it counts all until now; what came before may be dropped
      totals.set(key, Number(event.total) || 0);
      shards.set(key, new Map(Object.entries(OUTCOMES).map(([name, outcome]) => [outcome, Number(event[name]) || 0]).filter(([, count]) => count)));
    }
    if (message.type === "start") began.set(`${key}/${event.id}`, String(event.id));
    if (message.type === "phase" && event.outcome === "failed") messages.set(event.id, String(event.message || ""));
    if (message.type === "end") { began.delete(`${key}/${event.id}`); ended(shards.get(key), event); }
    if (!due) { due = true; requestAnimationFrame(show); }
  };

  // What only the record has is looked up now and then: how far the components are, and the verdict, which is written a moment
  // after the last result. A run can also end without any result.
  let pause = 5000;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && !page.getElementById("live")) { location.reload(); return; }
      for (const id of ["facts", "time"]) {
        const [old, now] = [document.getElementById(id), page.getElementById(id)];
        if (old && now && !old.contains(document.activeElement)) old.replaceChildren(...document.adoptNode(now).childNodes);
      }
    } catch { /* the archive is away for a moment */ }
    timer = setTimeout(look, pause);
  };
  let timer = setTimeout(look, pause);

  const source = new EventSource(box.dataset.live);
  for (const name of ["collected", "progress", "start", "phase", "end"]) source.addEventListener(name, take);
  source.addEventListener("result", () => { // of one shard; after the last one the archive ends the stream for good
    pause = 1000;
    clearTimeout(timer);
    timer = setTimeout(look, 300);
  });
})();
