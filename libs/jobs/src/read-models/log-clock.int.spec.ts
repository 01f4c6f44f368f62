import { Watermark } from '@genledger/event-store';
import { newId } from '@genledger/platform';
import { JobStores, openJobStores } from '../../../../test/support/job-stores';
import { actorMeta } from '../commands/actor-meta';
import { LogKeeper } from '../processes/log-keeper';
import { EXTERNAL, OWNER, OWNER_ID } from '../testing/job-fixtures';
import { LogClock } from './log-clock';

jest.setTimeout(30_000);

interface Tick {
  readonly position: number;
  readonly at: string;
}

let stores: JobStores;
let keeper: LogKeeper;
let clock: LogClock;
beforeEach(async () => {
  stores = await openJobStores();
  const watermark = new Watermark(stores.database.writer);
  keeper = new LogKeeper(stores.database, watermark, { roles: new Set(['scheduler'] as const) });
  clock = new LogClock(stores.database, watermark);
});
afterEach(() => stores.close());

async function append(): Promise<void> {
  const command = { type: 'queue', job: EXTERNAL, actor: OWNER } as const;
  await stores.store.submit({ id: newId(), userId: OWNER_ID, meta: actorMeta(OWNER), command });
}

function record(position: number): Promise<unknown> {
  return stores.database.write('select genledger.record_tick($1)', [position]);
}

function place(position: number, at: string): Promise<unknown> {
  return stores.superuser.query('insert into genledger.ticks (position, at) values ($1, $2)', [position, at]);
}

function readTicks(): Promise<Tick[]> {
  return stores.database.write<Tick>(
    `select position, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
       from genledger.ticks order by position`,
  );
}

it('a time stands for the last tick at or before it, to the microsecond', async () => {
  await place(3, '2026-01-01T00:00:01.000100Z');
  await place(7, '2026-01-01T00:00:01.000200Z');
  const first = { position: 3, tickAt: '2026-01-01T00:00:01.000100Z' };
  const second = { position: 7, tickAt: '2026-01-01T00:00:01.000200Z' };
  for (const [time, point] of [
    ['2026-01-01T00:00:01.000099Z', { position: 0, tickAt: null }],
    ['2026-01-01T00:00:01.000100Z', first],
    ['2026-01-01T00:00:01.000199Z', first],
    ['2026-01-01T00:00:01.000200Z', second],
    ['2026-01-02T00:00:00.000000Z', second],
  ] as const)
    expect(await clock.pointAt({ time })).toEqual(point);
});

it('a time that is to come stands for nothing', async () => {
  await append();
  await keeper.recordTick();
  const time = new Date(Date.now() + 60_000).toISOString();
  expect(await clock.pointAt({ time })).toBe('in_the_future');
});

it('a position stands for itself, up to the watermark', async () => {
  await append();
  expect(await clock.pointAt({ position: 0 })).toEqual({ position: 0, tickAt: null });
  expect(await clock.pointAt({ position: 1 })).toEqual({ position: 1, tickAt: null });
  expect(await clock.pointAt({ position: 2 })).toBe('beyond_the_log');
});

it('ticks are the watermark with the time, written while events arrive', async () => {
  await keeper.recordTick();
  expect(await readTicks()).toEqual([]);
  await append();
  await keeper.recordTick();
  await keeper.recordTick();
  await append();
  await keeper.recordTick();
  const ticks = await readTicks();
  expect(ticks.map(({ position }) => position)).toEqual([1, 2]);
  for (const { position, at } of ticks)
    expect(await clock.pointAt({ time: at })).toEqual({ position, tickAt: at });
});

it('ticks rise in position and time, whoever writes them and however the clock is set', async () => {
  await record(5);
  await record(5);
  await record(4);
  expect((await readTicks()).map(({ position }) => position)).toEqual([5]);
  // As if the clock had been set back by an hour since.
  const ahead = new Date(Date.now() + 3_600_000).toISOString().replace('Z', '000Z');
  await place(6, ahead);
  await Promise.all([9, 7, 8, 7].map(record));
  const after = (await readTicks()).filter(({ position }) => position > 6);
  expect(after.at(-1)?.position).toBe(9);
  expect(after.map(({ at }) => at)).toEqual(after.map(() => ahead));
});
