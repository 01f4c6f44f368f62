import { randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { createTestDatabase, TestDatabase } from '../../../test/support/test-database';
import {
  bigintArray,
  byteaArray,
  intArray,
  jsonArray,
  textArray,
  tidArray,
  timestampArray,
  uuidArray,
} from './pg-arrays';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** The elements as PostgreSQL prints them, one by one, in order. */
async function printed(type: string, array: Buffer): Promise<(string | null)[]> {
  const { rows } = await client.query<{ text: string | null }>(
    `select e.element::text as text from unnest($1::${type}[]) with ordinality as e(element, at) order by e.at`,
    [array],
  );
  return rows.map(({ text }) => text);
}

const TEXTS = [
  '',
  ' ',
  'null',
  'NULL',
  '{}',
  '{"a","b"}',
  'a,b',
  `it's "quoted" \\ and \\\\ escaped`,
  'tab\there\nand a new line\r',
  'é 世界 🧀 👩‍👩‍👧‍👦 مرحبا',
  '\u0001\u007f\u0080\uffff',
  '🧀'.repeat(700_000),
];

it('sends texts as they are: quotes, braces, several bytes a letter, three megabytes', async () => {
  expect(await printed('text', textArray([...TEXTS, null, undefined]))).toEqual([...TEXTS, null, null]);
});

it('sends JSON byte for byte', async () => {
  const bodies = [
    '{"b":1, "a" : [1.10,1e2,-0]}',
    '"text"',
    'null',
    ...TEXTS.map((text) => JSON.stringify({ text })),
  ];
  expect(await printed('json', jsonArray([...bodies, null]))).toEqual([...bodies, null]);
});

it('sends UUIDs', async () => {
  const ids = Array.from({ length: 1_000 }, () => randomUUID() as string);
  ids.push('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  expect(await printed('uuid', uuidArray([...ids, null]))).toEqual([...ids, null]);
});

it('sends integers up to their limits', async () => {
  expect(await printed('int', intArray([0, 1, -1, 2 ** 31 - 1, -(2 ** 31), null]))).toEqual([
    '0',
    '1',
    '-1',
    '2147483647',
    '-2147483648',
    null,
  ]);
  expect(await printed('bigint', bigintArray([0, 2 ** 53 - 1, -(2 ** 53) + 1, null]))).toEqual([
    '0',
    '9007199254740991',
    '-9007199254740991',
    null,
  ]);
});

it('sends times to the millisecond, and gets the same back', async () => {
  const times = [0, 1, -1, 946_684_800_000, Date.UTC(2026, 1, 28, 23, 59, 59, 999), Date.UTC(9999, 11, 31)];
  for (let made = 0; made < 2_000; made++) times.push(1_700_000_000_000 + made * 86_399_999 + made);
  const { rows } = await client.query<{ ms: number; iso: Date }>(
    `select date_part('epoch', e.t) * 1000 as ms, e.t as iso
       from unnest($1::timestamptz[]) with ordinality as e(t, at) order by e.at`,
    [timestampArray(times)],
  );
  expect(rows.map(({ iso }) => iso.getTime())).toEqual(times);
  // As the heads of streams are read: a hair below, and a stream's time would fall by a millisecond.
  expect(rows.map(({ ms }) => Math.trunc(ms))).toEqual(times);
  expect(await printed('timestamptz', timestampArray([null]))).toEqual([null]);
});

it('sends bytes', async () => {
  const values = [Buffer.alloc(0), Buffer.from([0, 255, 92, 39]), randomBytes(100_000)];
  expect(await printed('bytea', byteaArray([...values, null]))).toEqual([
    ...values.map((value) => `\\x${value.toString('hex')}`),
    null,
  ]);
});

it('sends row addresses', async () => {
  expect(await printed('tid', tidArray(['(0,1)', '(70000,65535)', '(4294967295,1)']))).toEqual([
    '(0,1)',
    '(70000,65535)',
    '(4294967295,1)',
  ]);
});

it('sends empty arrays, and arrays of nothing but nulls, of every type', async () => {
  const makers = {
    text: textArray,
    json: jsonArray,
    uuid: uuidArray,
    int: intArray,
    bigint: bigintArray,
    timestamptz: timestampArray,
    bytea: byteaArray,
  };
  for (const [type, make] of Object.entries(makers)) {
    expect(await printed(type, make([]))).toEqual([]);
    expect(await printed(type, make([null, null]))).toEqual([null, null]);
  }
  expect(await printed('tid', tidArray([]))).toEqual([]);
});

it('sends as many elements as a batch may have, and more', async () => {
  const numbers = Array.from({ length: 100_000 }, (_, at) => at);
  const { rows } = await client.query(
    `select count(*)::int as count, sum(n)::text as sum, array_length($1::int[], 1) as length from unnest($1::int[]) n`,
    [intArray(numbers)],
  );
  expect(rows).toEqual([{ count: 100_000, sum: '4999950000', length: 100_000 }]);
});
