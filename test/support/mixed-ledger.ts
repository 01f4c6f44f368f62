import type { JobActor, JobCommand } from '../../libs/jobs/src/job-commands';
import { admit, JobRequest } from '../../libs/jobs/src/admission';
import { newId } from '@genledger/platform';
import { JobStores, openJobStores } from './job-stores';

export const alice = '11111111-1111-4111-8111-111111111111';
export const bob = '22222222-2222-4222-8222-222222222222';

const worker: JobActor = { userId: null, role: 'worker' };
const system: JobActor = { userId: null, role: 'system' };
const TABLES = [
  'events',
  'contents',
  'job_states',
  'job_requests',
  'job_outputs',
  'job_statistics',
  'generation_job_summary',
  'job_costs',
  'checkpoints',
  'ended_streams',
  'projects',
  'assets',
  'uploads',
  'ticks',
  'rebuilds',
];

/** A ledger that has one of everything, to be spoilt by hand. */
export interface MixedLedger extends JobStores {
  /** Ids by what became of the job. */
  readonly jobs: Readonly<Record<string, string>>;
  /** Runs a statement behind row-level security, triggers and foreign keys; `:name` is that job's id. */
  spoil(sql: string): Promise<void>;
  /** Puts all tables back to what they were. */
  restore(): Promise<void>;
}

export async function openMixedLedger(): Promise<MixedLedger> {
  const stores = await openJobStores();
  const { superuser } = stores;
  const jobs = await new Mix(stores).run();
  await superuser.query('create schema saved');
  for (const table of TABLES)
    await superuser.query(`create table saved.${table} as table genledger.${table}`);
  // Neither triggers nor foreign keys stand in the way of what a test does by hand.
  await superuser.query('set session_replication_role = replica');
  return {
    ...stores,
    jobs,
    async spoil(sql) {
      const { rowCount } = await superuser.query(
        sql.replace(/:([a-z]+)/g, (match, job: string) => (jobs[job] ? `'${jobs[job]}'` : match)),
      );
      if (!rowCount) throw new Error(`nothing was spoilt by: ${sql}`);
    },
    async restore() {
      await superuser.query(`truncate ${TABLES.map((table) => `genledger.${table}`).join()}`);
      for (const table of TABLES)
        await superuser.query(`insert into genledger.${table} select * from saved.${table}`);
    },
  };
}

const output = (uploadId: string, position: number) => ({
  position,
  upload_id: uploadId,
  mime_type: 'image/png',
  size: 10,
  sha256: 'a'.repeat(64),
  width: 4,
  height: 3,
});

class Mix {
  private readonly jobs: Record<string, string> = {};

  constructor(private readonly stores: JobStores) {}

  async run(): Promise<Readonly<Record<string, string>>> {
    const { store, projector } = this.stores;
    const [first, second] = [await this.stores.project(alice), await this.stores.project(alice)];
    const assetId = await this.stores.asset(alice);

    const painted = await this.queue('painted', {
      kind: 'text_to_image',
      textToImage: { prompt: 'a lake', number_of_images: 2, aspect_ratio: '16:9' },
      metadata: { b: '1', a: '2' },
      tags: ['blue "lake"', 'two'],
    });
    // Claimed and ended by the statements that write their events themselves.
    const claim = {
      workerId: 'w',
      kinds: ['text_to_image'],
      max: 1,
      leaseMs: 60_000,
      meta: { actor: 'test' },
    } as const;
    const leaseToken = (await store.claim(claim))[0]!.leaseToken;
    await this.queue('waiting', { textToImage: { prompt: 'a fjord' }, kind: 'text_to_image' }, bob);
    for (const fraction of [0.3, 0.6])
      await this.submit(painted, { type: 'progress', leaseToken, fraction, stage: 'paint', actor: worker });
    const outputs = [output(await this.stores.upload(alice), 1), output(await this.stores.upload(alice), 2)];
    await store.succeedMany([
      { id: painted, leaseToken, outputs, outputErrors: [], costCents: 4, meta: { actor: 'test' } },
    ]);
    await this.submit(painted, {
      type: 'add_outputs',
      outputs: [output(await this.stores.upload(alice), 0)],
      actor: system,
    });

    const failed = await this.queue('failed', {
      kind: 'text_to_image',
      textToImage: { prompt: 'no' },
      maxAttempts: 2,
    });
    const failure = {
      type: 'fail',
      code: 'rate_limited',
      message: 'later',
      retryable: true,
      retryAfterMs: 0,
    } as const;
    const stale = await this.start(failed);
    await this.submit(failed, { ...failure, leaseToken: stale, actor: worker });
    const second_ = await this.start(failed);
    await store.submit({
      id: failed,
      userId: alice,
      meta: { actor: 'test' },
      command: { ...failure, leaseToken: stale, actor: worker },
    });
    await this.submit(failed, { ...failure, leaseToken: second_, message: null, actor: worker });

    const moved = await this.queue('moved', { projectId: first, metadata: { old: 'x' } });
    await this.submit(moved, {
      type: 'change_details',
      projectId: second,
      mode: 'other',
      priority: 3,
      content: { metadata: { new: 'y' }, tags: ['t'] },
      actor: system,
    });
    const transition = {
      type: 'transition',
      code: null,
      message: null,
      costCents: null,
      actor: system,
    } as const;
    const stated = await this.queue('stated', { inputAssetId: assetId, costCents: 5 }, alice);
    await this.submit(stated, { ...transition, to: 'running', costCents: 8 });
    await this.submit(stated, { type: 'remove_input_asset', assetId, actor: system });
    await this.submit(stated, {
      ...transition,
      to: 'failed',
      code: 'broken',
      message: 'it broke',
      costCents: 9,
    });
    await this.submit(await this.queue('canceled', {}, bob), { type: 'cancel', actor: system });
    await projector.drain();

    await this.submit(await this.queue('deleted', { projectId: first, costCents: 3 }), {
      type: 'delete',
      actor: system,
    });
    await this.submit(await this.queue('archived', {}, bob), { type: 'cancel', actor: system });
    await this.submit(this.jobs['archived']!, { type: 'archive', actor: system });
    await this.queue('tail', { projectId: second, costCents: 2 });
    return this.jobs;
  }

  private async submit(id: string, command: JobCommand, userId = alice): Promise<number> {
    const outcome = await this.stores.store.submit({ id, userId, command, meta: { actor: 'test' } });
    if (outcome.status !== 'accepted') throw new Error(`${command.type}: ${JSON.stringify(outcome)}`);
    return outcome.version;
  }

  private async queue(name: string, request: Partial<JobRequest> = {}, userId = alice): Promise<string> {
    const id = newId();
    this.jobs[name] = id;
    const job = admit({ kind: 'external', mode: 'test', ...request });
    await this.submit(id, { type: 'queue', job, actor: { userId, role: 'user' } }, userId);
    return id;
  }

  private start(id: string): Promise<number> {
    return this.submit(id, { type: 'start', workerId: 'w', leaseMs: 60_000, actor: worker });
  }
}
