import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { STORED_EVENT_COLUMNS, Watermark } from '@genledger/event-store';
import type { StoredEvent } from '@genledger/event-store';
import { newId } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { eraseContents } from '../../../../test/support/erase-contents';
import { JobStores, openJobStores } from '../../../../test/support/job-stores';
import { printedSeed } from '../../../../test/support/random';
import { until } from '../../../../test/support/until';
import { actorMeta } from '../commands/actor-meta';
import type { JobCommand } from '../job-commands';
import { LogKeeper } from '../processes/log-keeper';
import { commandsFor } from '../testing/job-arbitraries';
import { EXTERNAL, newJob, WORKER } from '../testing/job-fixtures';
import { World } from '../testing/world';
import { readJobRow } from '../verification/stored-job';
import type { AsOf } from './as-of';
import { jobResource } from './job-resource';
import type { JobResource, OutputLinks } from './job-resource';
import { LogClock } from './log-clock';
import { PastJobReader } from './past-job-reader';
import { PastStatisticsReader } from './past-statistics-reader';
import type { SumsAsOf } from './past-statistics-reader';
import { COST_GROUPS } from './statistics-reader';

jest.setTimeout(60_000);

const META = actorMeta(WORKER);
const USERS = 6;
const JOBS_A_USER = 10;
const COMMANDS_A_JOB = 12;
const COMMANDS_A_TICK = 40;
const LINKS: OutputLinks = { sign: (uploadId) => ({ url: uploadId, url_expires_at: '' }) };

interface Tick {
  readonly position: number;
  readonly at: string;
}

type Owner = (typeof owners)[number];

/** A job as the read models had it, when its last event was this one. */
interface Seen {
  readonly id: string;
  readonly owner: Owner;
  readonly version: number;
  readonly job: JobResource | null;
}

let stores: JobStores;
let keeper: LogKeeper;
let clock: LogClock;
let jobs: PastJobReader;
let sums: PastStatisticsReader;
const owners = Array.from({ length: USERS }, () => ({ userId: randomUUID(), role: 'user' }) as const);
const auditor: Actor = { userId: randomUUID(), role: 'auditor' };
const seen: Seen[] = [];
let log: StoredEvent[];
let ticks: Tick[];

beforeAll(async () => {
  stores = await openJobStores();
  const { database } = stores;
  const watermark = new Watermark(database.writer);
  keeper = new LogKeeper(database, watermark, { roles: new Set(['scheduler'] as const) });
  clock = new LogClock(database, watermark);
  jobs = new PastJobReader(database, clock, LINKS);
  sums = new PastStatisticsReader(database, clock);
  await writeHistories(printedSeed('time-travel.int.spec'));
  log = await database.write<StoredEvent>(
    `select ${STORED_EVENT_COLUMNS} from genledger.events e
       left join genledger.event_contents c on c.stream_id = e.stream_id and c.version = e.version order by e.position`,
  );
  ticks = await database.write<Tick>(
    `select position, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
       from genledger.ticks order by position`,
  );
});
afterAll(() => stores.close());

/** Random commands on jobs of several users, one after the other; ticks, and folds, in between. */
async function writeHistories(seed: number): Promise<void> {
  const plans: { readonly id: string; readonly owner: Owner; readonly commands: JobCommand[] }[] = [];
  for (const [at, owner] of owners.entries()) {
    const [projectId, assetId, uploadId] = await Promise.all([
      stores.project(owner.userId),
      stores.asset(owner.userId),
      stores.upload(owner.userId),
    ]);
    const arbitrary = fc.array(
      commandsFor({
        owner,
        projectIds: [null, projectId],
        assetId,
        deadlines: [null, Date.UTC(2100, 0)],
        uploadIds: [uploadId],
        leases: [null, 30_000],
      }).filter(({ type }) => type !== 'queue' && type !== 'erase_content'),
      { minLength: COMMANDS_A_JOB, maxLength: COMMANDS_A_JOB },
    );
    for (const [n, commands] of fc.sample(arbitrary, { seed: seed + at, numRuns: JOBS_A_USER }).entries()) {
      const base = n % 2 === 0 ? newJob() : { ...EXTERNAL, statedCents: n };
      const job = { ...base, projectId: n % 3 === 0 ? projectId : null };
      plans.push({ id: newId(), owner, commands: [{ type: 'queue', job, actor: owner }, ...commands] });
    }
  }
  let sent = 0;
  for (let round = 0; round <= COMMANDS_A_JOB; round++) {
    for (const { id, owner, commands } of plans) {
      const command = commands[round]!;
      const outcome = await stores.store.submit({ id, userId: owner.userId, command, meta: META });
      if (outcome.status === 'accepted')
        seen.push({ id, owner, ...(await look(owner, id, outcome.version)) });
      if (++sent % COMMANDS_A_TICK === 0) await keeper.recordTick();
      if (sent % (COMMANDS_A_TICK * 7) === 0) await stores.projector.drain();
    }
  }
}

async function look(owner: Owner, id: string, version: number): Promise<Pick<Seen, 'version' | 'job'>> {
  const { row, outputs } = await readJobRow(stores.database, owner, id);
  const files = row?.status === 'succeeded' ? outputs : [];
  return { version, job: row && jobResource(row, { outputs: files }, LINKS) };
}

function justBefore(at: string): string {
  return new Date(Date.parse(at) - 1).toISOString();
}

describe('a job as of each of its versions', () => {
  it('is the job that the read models had then, by position and by time', async () => {
    expect(seen.length).toBeGreaterThan(USERS * JOBS_A_USER);
    for (const { id, owner, version, job } of seen) {
      const history = log.filter(({ stream_id }) => stream_id === id);
      const { position, recorded_at } = history[version - 1]!;
      const last =
        history.findLastIndex((event) => event.recorded_at.getTime() === recorded_at.getTime()) + 1;
      const moments: AsOf[] = [{ position }];
      // Several commands may come in one millisecond: its last one is what the time stands for.
      if (last === version) moments.push({ time: recorded_at.toISOString() });
      for (const asOf of moments) {
        const past = await jobs.get(owner, id, asOf);
        if (job === null) expect(past).toEqual({ status: 'absent' });
        else
          expect(past).toEqual({
            status: 'found',
            // Images that could not be made are read with the event, not from the row.
            job: { ...job, output_errors: expect.any(Array) },
          });
      }
    }
  });

  it('is absent for others, and for its owner not there yet before the first event', async () => {
    const { id, owner } = seen[0]!;
    const stranger = owners.find(({ userId }) => userId !== owner.userId)!;
    const first = log.find(({ stream_id }) => stream_id === id)!;
    for (const position of [0, first.position, log.at(-1)!.position]) {
      expect(await jobs.get(stranger, id, { position })).toEqual({ status: 'absent' });
      expect(await jobs.get(owner, newId(), { position })).toEqual({ status: 'absent' });
    }
    const before = { status: 'not_created_yet' };
    expect(await jobs.get(owner, id, { position: first.position - 1 })).toEqual(before);
    expect(await jobs.get(owner, id, { time: justBefore(first.recorded_at.toISOString()) })).toEqual(before);
    expect(await jobs.get(auditor, id, { position: first.position })).toMatchObject({ status: 'found' });
  });

  it('has no texts that were erased since', async () => {
    const { id, owner, job } = seen.find((one) => one.job?.parameters.requested['prompt'] !== undefined)!;
    const { position } = log.find(({ stream_id }) => stream_id === id)!;
    await eraseContents(stores.superuser, id);
    const past = await jobs.get(owner, id, { position });
    expect(past).toMatchObject({ status: 'found', job: { metadata: null, tags: [], version: 1 } });
    const { prompt: _, ...requested } = job!.parameters.requested;
    expect(past).toMatchObject({ job: { parameters: { requested } } });
    expect(JSON.stringify(past)).not.toContain('prompt');
  });
});

describe('sums as of each tick', () => {
  const dataOf = async <T>(answer: Promise<SumsAsOf<T>>): Promise<readonly T[]> => {
    const sum = await answer;
    if (sum.status !== 'found') throw new Error(sum.status);
    return sum.data;
  };
  const sorted = <T>(rows: readonly T[]): T[] =>
    [...rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

  async function expectWorld(actor: Actor, position: number, asOf: AsOf = { position }): Promise<void> {
    const world = new World(log.filter((event) => event.position <= position));
    const user = actor.role === 'auditor' ? undefined : actor.userId;
    expect(sorted(await dataOf(sums.statistics(actor, asOf)))).toEqual(sorted(world.statistics(user)));
    expect(sorted(await dataOf(sums.summary(actor, asOf)))).toEqual(sorted(world.summary(user)));
    for (const group of COST_GROUPS)
      expect(sorted(await dataOf(sums.costs(actor, group, asOf)))).toEqual(sorted(world.costs(group, user)));
  }

  it('are the fold of all events up to it, for each user and for auditors', async () => {
    expect(ticks.length).toBeGreaterThan(10);
    for (const { position, at } of ticks) {
      for (const actor of [...owners, auditor]) await expectWorld(actor, position);
      await expectWorld(owners[0]!, position, { time: at });
    }
  });

  it('are the present ones as of the end, whatever is folded', async () => {
    const { position } = log.at(-1)!;
    for (const drained of [false, true]) {
      if (drained) await stores.projector.drain();
      for (const actor of [...owners, auditor]) {
        expect(await dataOf(sums.statistics(actor, { position }))).toEqual(
          await stores.statistics.statistics(actor),
        );
        for (const group of COST_GROUPS)
          expect(await dataOf(sums.costs(actor, group, { position }))).toEqual(
            await stores.statistics.costs(actor, group),
          );
      }
    }
  });

  it('are empty before the first event', async () => {
    await expectWorld(auditor, 0);
    expect(await dataOf(sums.statistics(auditor, { position: 0 }))).toEqual([]);
  });

  it('see no movement and no charge of others, whatever is asked for', async () => {
    const [owner] = owners;
    for (const view of ['job_movements', 'job_charges']) {
      const users = await stores.database.read(owner!, (query) =>
        query(`select distinct user_id from genledger.${view} where position <= 1000000`),
      );
      expect(users).toEqual([{ user_id: owner!.userId }]);
    }
  });
});

it('a time that is to come is refused', async () => {
  const time = new Date(Date.now() + 60_000).toISOString();
  const refused = { status: 'in_the_future' };
  expect(await sums.statistics(owners[0]!, { time })).toEqual(refused);
  expect(await jobs.get(owners[0]!, seen[0]!.id, { time })).toEqual(refused);
});

describe('a position', () => {
  it('above the watermark is refused, but for a job that has passed it', async () => {
    const [owner] = owners;
    const writer = await stores.database.openSession('slow writer');
    await writer.query('begin');
    await writer.query('select genledger.announce_append()');
    const id = newId();
    await stores.store.submit({
      id,
      userId: owner!.userId,
      meta: META,
      command: { type: 'queue', job: EXTERNAL, actor: owner! },
    });
    const [{ position }] = (await stores.database.write<{ position: number }>(
      'select position from genledger.events where stream_id = $1',
      [id],
    )) as [{ position: number }];
    const refused = { status: 'beyond_the_log' };
    expect(await sums.statistics(owner!, { position })).toEqual(refused);
    expect(await jobs.get(owner!, id, { position })).toMatchObject({ status: 'found', job: { version: 1 } });
    for (const [who, job] of [
      [owner!, id],
      [owners[1]!, id],
      [owner!, newId()],
    ] as const)
      expect(await jobs.get(who, job, { position: position + 1 })).toEqual(refused);
    expect(await jobs.get(owners[1]!, id, { position })).toEqual(refused);
    await writer.query('rollback');
    await writer.end();
    await until(
      'the log is settled',
      async () => (await sums.statistics(owner!, { position })).status === 'found',
    );
    expect(await jobs.get(owners[1]!, id, { position })).toEqual({ status: 'absent' });
  });
});
