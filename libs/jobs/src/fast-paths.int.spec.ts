import { newId } from '@genledger/platform';
import { decide } from './job.decider';
import { ABSENT, evolve, JobState } from './job';
import { JobEvent, RecordedJobEvent } from './job-events';
import { accountOf, tallyOf } from './job-batch-plan';
import type { JobCommand } from './job-commands';
import { newJob, EXTERNAL } from './testing/job-fixtures';
import { JobStores, openJobStores } from '../../../test/support/job-stores';

/**
 * genledger.start_jobs and genledger.succeed_jobs are a second place that knows what a worker's start and success lead
 * to. These tests hold them to the decider: the stored text of every event, its tally and the hot row.
 */
const LEASE_MS = 30_000;
const WORKER_ID = 'worker "7"\\é';
const META = { actor: 'worker:7' };

interface StoredRow {
  readonly type: string;
  readonly version: number;
  readonly user_id: string;
  readonly data: string;
  readonly meta: string;
  readonly recorded_at: Date;
  readonly scope_id: string | null;
  readonly tally: number[];
  readonly account: string | null;
}

describe('the fast paths of start and succeed', () => {
  let stores: JobStores;

  beforeAll(async () => {
    stores = await openJobStores();
  });
  afterAll(() => stores.close());

  async function stored(id: string): Promise<StoredRow[]> {
    return stores.database.write<StoredRow>(
      `select type, version, user_id, data::text as data, meta::text as meta, recorded_at, scope_id, tally, account
         from genledger.events where stream_id = $1 order by version`,
      [id],
    );
  }

  function stateBefore(rows: readonly StoredRow[], version: number): JobState {
    return rows
      .filter((row) => row.version < version)
      .reduce<JobState>((state, row) => evolve(state, recorded(row)), ABSENT);
  }

  function recorded(row: StoredRow): RecordedJobEvent {
    return {
      type: row.type,
      data: JSON.parse(row.data) as JobEvent['data'],
      version: row.version,
      recordedAt: row.recorded_at.getTime(),
      userId: row.user_id,
    } as RecordedJobEvent;
  }

  function expectDecided(
    rows: readonly StoredRow[],
    version: number,
    command: JobCommand,
    now: number,
  ): void {
    const row = rows[version - 1]!;
    const decided = decide(stateBefore(rows, version), command, now);
    expect(decided.refusal).toBeUndefined();
    expect(decided.events.map((event) => event.type)).toEqual([row.type]);
    const [event] = decided.events;
    expect(row.data).toBe(JSON.stringify(event!.data));
    expect(row.meta).toBe(JSON.stringify(META));
    expect(row.tally).toEqual(tallyOf(event!));
    expect(row.account).toBe(accountOf(event!));
    expect(row.scope_id).toBe(event!.data.project_id);
  }

  const cases = [
    { name: 'an image job', job: newJob() },
    { name: 'a mode that JSON must escape', job: newJob({ mode: 'a "b" \\ \u0007 ü 🌅' }) },
    { name: 'an external job with a cost', job: { ...EXTERNAL, statedCents: 55 } },
    { name: 'nothing reserved', job: newJob({ estimatedCents: 0 }) },
  ];

  it.each(cases)('record what the decider says: $name', async ({ job }) => {
    const userId = newId();
    const projectId = job.kind === 'external' ? newId() : null;
    if (projectId) {
      await stores.database.write(`insert into genledger.projects (id, user_id, name) values ($1, $2, 'p')`, [
        projectId,
        userId,
      ]);
    }
    const id = newId();
    const actor = { userId, role: 'user' } as const;
    const queued = await stores.store.submit({
      id,
      userId,
      meta: META,
      command: { type: 'queue', job: { ...job, projectId }, actor },
    });
    expect(queued.status).toBe('accepted');

    const items = await stores.store.claim({
      workerId: WORKER_ID,
      kinds: [job.kind],
      max: 10,
      leaseMs: LEASE_MS,
      meta: META,
    });
    const item = items.find(({ jobId }) => jobId === id)!;
    expect(item).toMatchObject({
      userId,
      kind: job.kind,
      attempt: 1,
      leaseToken: 2,
      effective: job.effective,
    });

    const outputs = [1, 3].map((position) => ({
      position,
      upload_id: newId(),
      mime_type: 'image/png',
      size: 10 * position,
      sha256: 'a'.repeat(64),
      width: 4,
      height: 3,
      ...(position === 1 ? { provider_request_id: 'req_"1"' } : {}),
    }));
    for (const output of outputs) {
      await stores.database.write(
        `insert into genledger.uploads (id, user_id, purpose, storage_key, mime_type, size, sha256, width, height)
         values ($1, $2, 'generation_output', $3, 'image/png', $4, $5, 4, 3)`,
        [output.upload_id, userId, `${userId}/2026-11/${output.upload_id}.png`, output.size, output.sha256],
      );
    }
    const outputErrors = [{ position: 2, code: 'content_policy_violation' }];
    const success = { id, leaseToken: 2, outputs, outputErrors, costCents: 8, meta: META };
    const [outcome] = await stores.store.succeedMany([success]);
    expect(outcome).toMatchObject({ status: 'accepted', version: 3, job: null });

    const rows = await stored(id);
    const worker = { userId: null, role: 'worker' } as const;
    const lease = (JSON.parse(rows[1]!.data) as { lease_expires_at: string }).lease_expires_at;
    const start = { type: 'start', actor: worker, workerId: WORKER_ID, leaseMs: LEASE_MS } as const;
    expectDecided(rows, 2, start, Date.parse(lease) - LEASE_MS);
    const succeed = {
      type: 'succeed',
      actor: worker,
      leaseToken: 2,
      outputs,
      outputErrors,
      costCents: 8,
    } as const;
    expectDecided(rows, 3, succeed, rows[2]!.recorded_at.getTime());

    const [row] = await stores.database.write<Record<string, unknown>>(
      `select status, version, attempt, lease_token, lease_expires_at, worker_id, cost_cents, reserved_cents, output_count,
              error_code, started_at, completed_at, updated_at from genledger.job_states where id = $1`,
      [id],
    );
    const state = evolve(stateBefore(rows, 3), recorded(rows[2]!));
    if (state.status !== 'succeeded') throw new Error(`the job is ${state.status}`);
    expect(row).toEqual({
      status: 'succeeded',
      version: 3,
      attempt: state.attempt,
      lease_token: state.leaseToken,
      lease_expires_at: null,
      worker_id: state.workerId,
      cost_cents: state.costCents,
      reserved_cents: state.reservedCents,
      output_count: state.outputCount,
      error_code: null,
      started_at: new Date(state.startedAt!),
      completed_at: new Date(state.completedAt!),
      updated_at: new Date(state.updatedAt),
    });
    const linked = await stores.database.write(
      `select position, upload_id from genledger.job_outputs where job_id = $1 order by position`,
      [id],
    );
    expect(linked).toEqual(outputs.map(({ position, upload_id }) => ({ position, upload_id })));
  });

  it('leave a job alone whose output belongs to someone else, and the decider refuses it', async () => {
    const [id, userId, uploadId, strangerId] = [newId(), newId(), newId(), newId()];
    const actor = { userId, role: 'user' } as const;
    await stores.store.submit({ id, userId, meta: META, command: { type: 'queue', job: newJob(), actor } });
    const items = await stores.store.claim({
      workerId: 'w',
      kinds: ['text_to_image'],
      max: 10,
      leaseMs: LEASE_MS,
      meta: META,
    });
    expect(items.map(({ jobId }) => jobId)).toContain(id);
    await stores.database.write(
      `insert into genledger.uploads (id, user_id, purpose, storage_key, mime_type, size, sha256, width, height)
       values ($1, $2, 'generation_output', $3, 'image/png', 1, $4, 1, 1)`,
      [uploadId, strangerId, `${strangerId}/2026-11/${uploadId}.png`, 'b'.repeat(64)],
    );
    const output = {
      position: 1,
      upload_id: uploadId,
      mime_type: 'image/png',
      size: 1,
      sha256: 'b'.repeat(64),
      width: 1,
      height: 1,
    };
    const [outcome] = await stores.store.succeedMany([
      { id, leaseToken: 2, outputs: [output], outputErrors: [], costCents: 4, meta: META },
    ]);
    expect(outcome).toMatchObject({ status: 'refused', code: 'unknown_reference' });
    expect((await stored(id)).map((row) => row.type)).toEqual(['JobQueued', 'JobStarted']);
  });

  it('leave a repeated result to the decider, which changes nothing', async () => {
    const [id, userId] = [newId(), newId()];
    const actor = { userId, role: 'user' } as const;
    await stores.store.submit({ id, userId, meta: META, command: { type: 'queue', job: newJob(), actor } });
    await stores.store.claim({
      workerId: 'w',
      kinds: ['text_to_image'],
      max: 10,
      leaseMs: LEASE_MS,
      meta: META,
    });
    const success = { id, leaseToken: 2, outputs: [], outputErrors: [], costCents: 0, meta: META };
    const outcomes = await stores.store.succeedMany([success, success]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['accepted', 'unchanged']);
    const [again] = await stores.store.succeedMany([{ ...success, leaseToken: 1 }]);
    expect(again).toMatchObject({ status: 'refused', code: 'lease_lost' });
    expect((await stored(id)).map((row) => row.type)).toEqual([
      'JobQueued',
      'JobStarted',
      'JobSucceeded',
      'JobResultRefused',
    ]);
  });

  it('do not start a job whose deadline has passed: it fails', async () => {
    const [id, userId] = [newId(), newId()];
    const actor = { userId, role: 'user' } as const;
    const job = newJob({ deadline: Date.now() + 60_000 });
    await stores.store.submit({ id, userId, meta: META, command: { type: 'queue', job, actor } });
    await stores.database.write(
      `update genledger.job_states set deadline = clock_timestamp() - interval '1 second' where id = $1`,
      [id],
    );
    const items = await stores.store.claim({
      workerId: 'w',
      kinds: ['text_to_image'],
      max: 10,
      leaseMs: LEASE_MS,
      meta: META,
    });
    expect(items.map(({ jobId }) => jobId)).not.toContain(id);
    const [row] = await stores.database.write(
      `select status, error_code from genledger.job_states where id = $1`,
      [id],
    );
    expect(row).toEqual({ status: 'failed', error_code: 'deadline_exceeded' });
  });
});
