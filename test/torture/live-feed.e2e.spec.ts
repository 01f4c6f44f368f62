import { randomUUID } from 'node:crypto';
import { appendStatement } from '@genledger/event-store';
import { newId, PULSE_MS } from '@genledger/platform';
import { Caller, startApp, TestApp } from '../support/app';
import { EventSource } from '../support/event-source';
import { ManualClock } from '../support/manual-clock';
import { seeded } from '../support/random';

jest.setTimeout(120_000);

const seed = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);
const CUTS = 50;
const WRITERS = 4;

const clock = new ManualClock();
let app: TestApp;
let isClosed = false;
beforeAll(async () => {
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' }, streamClock: clock });
});
afterAll(async () => {
  if (!isClosed) await app.close();
});

const open = (caller: Caller, path: string, lastEventId?: string, more: object = {}): Promise<EventSource> =>
  EventSource.open(`${app.url}${path}`, { token: caller.token, lastEventId, ...more });

async function logOf(userId: string): Promise<string[]> {
  const { rows } = await app.superuser.query<{ id: string }>(
    `select epoch || ':' || position as id from genledger.events where user_id = $1 order by position`,
    [userId],
  );
  return rows.map(({ id }) => id);
}

/** Queues a job and walks it through its life, time and again. */
async function keepWriting(caller: Caller, over: () => boolean): Promise<void> {
  while (!over()) {
    const { body } = await caller.post('/v1/jobs', { mode: 'lifestyle', tags: ['torture'] });
    const id = body.id as string;
    await caller.patch(`/v1/jobs/${id}`, { priority: 5 });
    await caller.post(`/v1/jobs/${id}/transition`, { status: 'running' });
    await caller.post(`/v1/jobs/${id}/transition`, { status: 'succeeded', cost_cents: 3 });
    await caller.delete(`/v1/jobs/${id}`);
  }
}

/**
 * Another process that takes positions early and commits them late, or never: whoever reads on from the last position
 * that they saw has passed them by then.
 */
async function keepWritingLate(caller: Caller, random: () => number, over: () => boolean): Promise<void> {
  while (!over()) {
    const { text, values } = appendStatement([
      {
        streamId: newId(),
        version: 1,
        userId: caller.userId,
        type: 'Tested',
        schemaVersion: 1,
        data: '{}',
        meta: '{"actor":"test"}',
        recordedAt: Date.now(),
      },
    ]);
    await app.superuser.query('begin');
    await app.superuser.query(text, values);
    await caller.post('/v1/jobs', { mode: 'overtaking' });
    await app.superuser.query('select pg_sleep($1)', [random() * 0.1]);
    await app.superuser.query(random() < 0.3 ? 'rollback' : 'commit');
  }
}

it(`gets every event once and in order, however often it is cut off while others write`, async () => {
  process.stdout.write(`torture of the live feed: TORTURE_SEED=${seed}\n`);
  const random = seeded(seed);
  const [reader, stranger] = [await app.as(randomUUID()), await app.as(randomUUID())];
  let over = false;
  const writing = Promise.all([
    keepWritingLate(reader, seeded(seed + 1), () => over),
    ...Array.from({ length: WRITERS }, (_, n) => keepWriting(n === 0 ? stranger : reader, () => over)),
  ]);
  const seen: string[] = [];
  let lastEventId = '1:0';
  let behind = 0;
  for (let cut = 0; cut < CUTS; cut++) {
    // From within the first line to well into the events, wherever that is in a frame.
    const cutAfterBytes = 1 + Math.floor(random() ** 2 * 20_000);
    const source = await open(reader, '/v1/feed', lastEventId, { cutAfterBytes });
    expect(await source.untilClosed()).toBe('cut');
    if (source.events.length === 0) behind++;
    seen.push(...source.events.map(({ id }) => id));
    lastEventId = source.lastEventId;
  }
  over = true;
  await writing;
  const log = await logOf(reader.userId);
  const last = await open(reader, '/v1/feed', lastEventId);
  await last.until('the end of the log', (source) => source.lastEventId === log.at(-1));
  last.cut();
  seen.push(...last.events.map(({ id }) => id));
  process.stdout.write(
    `torture of the live feed: ${log.length} events over ${CUTS + 1} connections, ${behind} of them without a whole event\n`,
  );
  expect(seen).toEqual(log);
});

/** More than the buffers of two sockets take in: so many prompts of 96 kB. */
const FLOOD = 200;

async function flood(caller: Caller): Promise<void> {
  const jobs = Array.from({ length: 100 }, () => ({
    prompt: '€'.repeat(32_000),
    run_at: '2099-01-01T00:00:00Z',
  }));
  for (let count = 0; count < FLOOD; count += jobs.length)
    expect((await caller.post('/v1/jobs/batch', { jobs })).body.accepted).toBe(jobs.length);
}

it('drops a reader that does not read, whom nobody waits for, and who finds everything when it comes back', async () => {
  const user = await app.as(randomUUID());
  const stuck = await open(user, '/v1/feed?after=0', undefined, { paused: true });
  const awake = await open(user, '/v1/feed?after=0');
  await flood(user);
  const log = await logOf(user.userId);
  await awake.until('everything', ({ events }) => events.length === FLOOD);
  expect(awake.events.map(({ id }) => id)).toEqual(log);
  expect(stuck.events).toEqual([]);

  for (let pulse = 0; pulse < 2; pulse++) clock.advance(PULSE_MS);
  stuck.resume();
  expect(await stuck.untilClosed()).toBe('cut');
  expect(stuck.events.length).toBeLessThan(FLOOD);
  expect(awake.closed).toBeUndefined();
  awake.cut();

  const resumed = await open(user, '/v1/feed?after=0', stuck.lastEventId || undefined);
  await resumed.until('the end of the log', (source) => source.lastEventId === log.at(-1));
  expect([...stuck.events, ...resumed.events].map(({ id }) => id)).toEqual(log);
  resumed.cut();
});

it('goes on where it was after a restart, and is told when the log is another one', async () => {
  const user = await app.as(randomUUID());
  const before = await open(user, '/v1/feed');
  await before.until('it knows where it stands', ({ lastEventId }) => lastEventId !== '');
  await user.post('/v1/jobs', { mode: 'lifestyle' });
  await before.until('the event', ({ events }) => events.length === 1);

  app = await app.restart();
  expect(before.closed).toBe('ended');
  expect(before.events.at(-1)).toMatchObject({ event: 'end', data: '{"reason":"server_stopping"}' });
  const again = await app.as(user.userId);
  await again.post('/v1/jobs', { mode: 'packaging' });
  const after = await open(again, '/v1/feed', before.lastEventId);
  await after.until('the event', ({ events }) => events.length === 1);
  const log = await logOf(user.userId);
  expect([before.events[0]!.id, after.events[0]!.id]).toEqual(log);

  await app.superuser.query('update genledger.log_epoch set epoch = epoch + 1');
  expect(await after.untilClosed()).toBe('ended');
  expect(after.events.at(-1)).toMatchObject({ event: 'end', data: '{"reason":"log_restored"}' });
  const refused = await again.get('/v1/feed').set('last-event-id', after.lastEventId);
  expect([refused.status, refused.body.code]).toEqual([422, 'invalid-cursor']);
});

it('stops at once with streams open, one of which nobody reads', async () => {
  const user = await app.as(randomUUID());
  const stuck = await open(user, '/v1/feed?after=0', undefined, { paused: true });
  const awake = await open(user, '/v1/feed?after=0');
  await flood(user);
  await awake.until('everything', ({ events }) => events.length === FLOOD);
  const began = performance.now();
  await app.close();
  isClosed = true;
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(awake.events.at(-1)).toMatchObject({ event: 'end', data: '{"reason":"server_stopping"}' });
  expect(awake.closed).toBe('ended');
  stuck.resume();
  expect(await stuck.untilClosed()).toBe('cut');
});
