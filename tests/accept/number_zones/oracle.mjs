// Goal: outdial's time zones, daily windows and zones of numbers are those of Node's ICU and of
// libphonenumber. Method: every zone that a number can ring in, every change of its clock in the
// years looked at, windows around each change and at random times, some over several zones.
//
// usage: node oracle.mjs ZONE_PRINT [YEARS]       (2024 to 2024 + YEARS; default 3)
import { spawnSync } from 'node:child_process';
import { map } from './metadata.mjs';

const [program, years = '3'] = process.argv.slice(2);
const DAY = 86400000;
const from = Date.UTC(2024, 0, 1);
const to = Date.UTC(2024 + Number(years), 0, 1);
const zones = [...new Set(Object.values(map).flatMap((set) => set.split('&')))].filter((z) => z).sort();

let seed = 20260101;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 4294967296) * below);
};

const formats = new Map();
const icuOffset = (zone, ms) => {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
      hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    formats.set(zone, format);
  }
  const p = Object.fromEntries(format.formatToParts(ms).map((x) => [x.type, Number(x.value)]));
  return (Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(ms / 1000) * 1000) / 1000;
};

// Every change of a zone's offset: two a month are never nearer than a few days.
const icuChanges = (zone) => {
  const found = [[from, icuOffset(zone, from)]];
  for (let t = from; t < to; t += 2 * DAY) {
    const next = Math.min(t + 2 * DAY, to - 1);
    if (icuOffset(zone, t) === icuOffset(zone, next)) continue;
    let low = t, high = next;
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (icuOffset(zone, middle) === icuOffset(zone, low)) low = middle;
      else high = middle;
    }
    found.push([high, icuOffset(zone, high)]);
  }
  return found;
};
const changes = new Map(zones.map((zone) => [zone, icuChanges(zone)]));
const offset = (zone, ms) => {
  const of = changes.get(zone);
  let i = of.length - 1;
  while (i > 0 && of[i][0] > ms) i--;
  return of[i][1];
};

// A window by walking the minutes.
const isOpen = (set, start, end, ms) =>
  set.every((zone) => {
    const minute = Math.floor((ms + offset(zone, ms) * 1000) / 60000) % 1440;
    return minute >= start && minute < end;
  });
const walk = (set, start, end, ms, open) => {
  let t = ms;
  for (; t < ms + 4 * DAY; t = Math.floor(t / 60000) * 60000 + 60000) if (isOpen(set, start, end, t) === open) return t;
  return undefined;
};

const questions = [], expected = [];
const ask = (question, answer) => {
  questions.push(question);
  expected.push(answer);
};
for (const zone of zones)
  ask(`changes ${zone} ${from} ${to}`, changes.get(zone).map(([at, s]) => `${at}:${s}`).join(' '));

const text = (minutes) => `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
const askWindow = (set, start, end, ms) => {
  const last = end === 1439 ? 1440 : end; // 23:59 is the end of the day
  const open = walk(set, start, last, ms, true);
  if (open === undefined || ms > to - 8 * DAY) return;
  const close = walk(set, start, last, open, false);
  const next = walk(set, start, last, close, true);
  if (next !== undefined) ask(`window ${text(start)}-${text(end)} ${ms} ${set.join(' ')}`, `${open} ${close} ${next}`);
};
for (const zone of zones) {
  for (const [at] of changes.get(zone).slice(1)) {
    const local = Math.floor((at + offset(zone, at) * 1000) / 60000) % 1440; // where the clock goes on
    askWindow([zone], 480, 1260, at - 3600000);
    askWindow([zone], Math.max(0, local - 90), Math.min(1439, local + 30), at - 5400000);
    askWindow([zone], Math.max(0, local - 30), Math.min(1439, local + 90), at);
  }
  askWindow([zone], random(700), 701 + random(700), from + random(to - from));
}
const sets = [...new Set(Object.values(map))].map((s) => s.split('&')).filter((s) => s.length > 1);
for (const set of sets) for (let i = 0; i < 3; i++) askWindow(set, 480, 1260, from + random(to - from));

for (const prefix of Object.keys(map)) {
  let number = prefix;
  while (number.length < 11) number += random(10);
  let longest = number;
  while (map[longest] === undefined) longest = longest.slice(0, -1);
  ask(`zones +${number}`, map[longest]);
}

const run = spawnSync(program, { input: questions.join('\n') + '\n', maxBuffer: 1 << 28, encoding: 'utf8' });
if (run.status !== 0) throw new Error(`${program} ended with ${run.status}: ${run.stderr}`);
const answers = run.stdout.split('\n');
let wrong = 0;
questions.forEach((question, i) => {
  if (answers[i] === expected[i]) return;
  if (wrong++ < 10) console.error(`${question}\n  outdial: ${answers[i]}\n  oracle:  ${expected[i]}`);
});
const count = [...changes.values()].reduce((n, c) => n + c.length - 1, 0);
console.log(
  `${zones.length} zones, ${count} changes of the clock, ${questions.length} questions, ${wrong} answered differently` +
    ` (ICU's tz ${process.versions.tz})`,
);
process.exit(wrong ? 1 : 0);
