import type { PoolClient } from 'pg';
import {
  appendStatement,
  BatchCategory,
  BatchPlan,
  commitContent,
  contentsStatement,
  EventMeta,
  NewContent,
  NewEvent,
  Statement,
  toIJson,
  uuidArray,
} from '@genledger/event-store';
import {
  ABSENT,
  evolve,
  isLive,
  JOB_STATUSES,
  JobEvent,
  JobState,
  JobStatus,
  LiveJob,
  RecordedJobEvent,
} from './job';
import type { JobCommand, NewJob } from './job-commands';
import { decide, JobRefusal } from './job.decider';
import {
  ChangedRequest,
  changeRequestsStatement,
  endJobsStatement,
  InsertedJob,
  insertJobsStatement,
  insertOutputsStatement,
  JobHeadRow,
  jobOfRow,
  LinkedOutput,
  returnKeysStatement,
  updateJobsStatement,
} from './job-rows';

/** One command on one job, as it travels through a batch. */
export interface JobItem {
  readonly id: string;
  readonly command: JobCommand;
  /** Owner of a new job; else unused. */
  readonly userId: string;
  readonly meta: EventMeta;
  readonly key?: IdempotencyKey;
}

/** Both are 128 bits of a SHA-256, written as UUIDs. */
export interface IdempotencyKey {
  readonly hash: string;
  readonly fingerprint: string;
}

export type JobOutcome =
  | {
      readonly status: 'accepted';
      readonly id: string;
      /** null from the fast path of good results, which never loads it. */
      readonly job: JobState | null;
      readonly version: number;
      readonly position: number;
    }
  | { readonly status: 'unchanged'; readonly id: string; readonly job: JobState; readonly version: number }
  /** The key was used before with the same payload: that command's job, as of that version, is the answer. */
  | { readonly status: 'replayed'; readonly id: string; readonly version: number }
  | {
      readonly status: 'refused';
      readonly id: string;
      readonly code: JobItemRefusal;
      readonly pointer?: string;
    }
  /** Someone else held the job for longer than we wait. */
  | { readonly status: 'conflict'; readonly id: string };

export type JobItemRefusal = JobRefusal | 'unknown_reference' | 'idempotency_key_reused';

interface TakenKey {
  readonly key_hash: string;
  readonly fingerprint: string;
  readonly stream_id: string;
  readonly version: number;
}

interface Reference {
  readonly target: 'projects' | 'assets' | 'uploads';
  readonly id: string;
  readonly user_id: string;
  readonly held: boolean;
}

interface LoadedJobs {
  readonly heads: Map<string, JobHeadRow>;
  readonly takenKeys: Map<string, TakenKey>;
  readonly references: Map<string, Reference>;
}

interface Target {
  readonly target: Reference['target'];
  readonly id: string;
  readonly pointer: string;
}

const EMPTY = { rows: [] };

/**
 * Jobs in the group commit. Lock order: idempotency keys, then jobs, then what they refer to, each sorted by id.
 * Keys and references are settled before anything is written, so that no item can break the batch's one append.
 */
export class JobBatch implements BatchCategory<JobItem, LoadedJobs, JobOutcome> {
  streamOf(item: JobItem): string {
    return item.id;
  }

  bytesOf({ command }: JobItem): number {
    if (command.type !== 'queue') return 400;
    const { content, requested, effective } = command.job;
    const texts = (content?.prompt?.length ?? 0) + (content?.negative_prompt?.length ?? 0);
    const maps =
      Object.keys(content?.metadata ?? {}).length +
      Object.keys(requested).length +
      Object.keys(effective).length;
    return 600 + texts + maps * 64;
  }

  async load(client: PoolClient, items: readonly JobItem[], alone: boolean): Promise<LoadedJobs> {
    const keys = new Map<string, JobItem>();
    const ids = new Set<string>();
    const targets = { projects: new Set<string>(), assets: new Set<string>(), uploads: new Set<string>() };
    for (const item of items) {
      if (item.key && !keys.has(item.key.hash)) keys.set(item.key.hash, item);
      if (item.command.type !== 'queue') ids.add(item.id);
      for (const { target, id } of targetsOf(item)) targets[target].add(id);
    }
    const keyed = [...keys.values()];
    const taking =
      keyed.length === 0
        ? EMPTY
        : client.query<TakenKey>(
            `select key_hash, fingerprint, stream_id, version
               from genledger.take_idempotency_keys($1::uuid[], $2::uuid[], $3::uuid[])`,
            [
              uuidArray(keyed.map((item) => item.key!.hash)),
              uuidArray(keyed.map((item) => item.key!.fingerprint)),
              uuidArray(keyed.map((item) => item.id)),
            ],
          );
    const locking =
      ids.size === 0
        ? EMPTY
        : client.query<JobHeadRow>(`select * from genledger.load_jobs($1::uuid[], $2)`, [
            uuidArray([...ids]),
            alone,
          ]);
    const referring =
      targets.projects.size + targets.assets.size + targets.uploads.size === 0
        ? EMPTY
        : client.query<Reference>(
            `select target, id, user_id, held from genledger.lock_references($1::uuid[], $2::uuid[], $3::uuid[], $4)`,
            [
              uuidArray([...targets.projects]),
              uuidArray([...targets.assets]),
              uuidArray([...targets.uploads]),
              alone,
            ],
          );
    const [taken, locked, referred] = await Promise.all([taking, locking, referring]);
    const references = new Map<string, Reference>();
    for (const row of referred.rows) {
      const name = `${row.target}/${row.id}`;
      if (!references.has(name)) references.set(name, row);
    }
    return {
      heads: new Map(locked.rows.map((row) => [row.id, row])),
      takenKeys: new Map(taken.rows.map((row) => [row.key_hash, row])),
      references,
    };
  }

  decide(items: readonly JobItem[], loaded: LoadedJobs, now: number): BatchPlan<JobOutcome> {
    return new JobBatchPlan(loaded, now).decide(items);
  }

  blocked(item: JobItem): JobOutcome {
    return { status: 'conflict', id: item.id };
  }
}

function targetsOf({ command }: JobItem): Target[] {
  const targets: Target[] = [];
  if (command.type === 'queue') {
    const { projectId, inputAssetId } = command.job;
    if (projectId !== null) targets.push({ target: 'projects', id: projectId, pointer: '#/project_id' });
    if (inputAssetId !== null)
      targets.push({ target: 'assets', id: inputAssetId, pointer: '#/input_asset_id' });
  } else if (command.type === 'change_details' && command.projectId) {
    targets.push({ target: 'projects', id: command.projectId, pointer: '#/project_id' });
  } else if (command.type === 'succeed' || command.type === 'add_outputs') {
    for (const [at, output] of command.outputs.entries()) {
      targets.push({ target: 'uploads', id: output.upload_id, pointer: `#/outputs/${at}/upload_id` });
    }
  }
  return targets;
}

/** The decisions of one batch and the rows that they lead to. */
export class JobBatchPlan {
  private readonly states = new Map<string, JobState>();
  private readonly inserted = new Map<string, InsertedJob>();
  private readonly touched = new Set<string>();
  private readonly events: NewEvent[] = [];
  private readonly contents: NewContent[] = [];
  private readonly outputs: LinkedOutput[] = [];
  private readonly changes = new Map<string, ChangedRequest>();
  private readonly gone = new Map<string, 'deleted' | 'archived'>();
  private readonly keysToReturn: string[] = [];
  private readonly keyUsers = new Map<string, { at: number; fingerprint: string }>();
  private readonly held: number[] = [];
  private readonly metaTexts = new Map<EventMeta, string>();

  constructor(
    private readonly loaded: LoadedJobs,
    private readonly now: number,
  ) {}

  decide(items: readonly JobItem[]): BatchPlan<JobOutcome> {
    const outcomes: JobOutcome[] = [];
    items.forEach((item, at) => {
      outcomes[at] = this.decideOne(item, at, outcomes);
    });
    return {
      held: this.held,
      writes: this.writes(),
      answer: (position) =>
        outcomes.map((outcome) => (outcome?.status === 'accepted' ? { ...outcome, position } : outcome)),
    };
  }

  private decideOne(item: JobItem, at: number, outcomes: readonly JobOutcome[]): JobOutcome {
    const { id, key } = item;
    if (key) {
      const earlier = this.keyUsers.get(key.hash);
      if (earlier) {
        if (earlier.fingerprint !== key.fingerprint)
          return { status: 'refused', id, code: 'idempotency_key_reused' };
        const first = outcomes[earlier.at]!;
        if (this.held.includes(earlier.at)) return this.hold(id, at);
        return first.status === 'accepted'
          ? { status: 'replayed', id: first.id, version: first.version }
          : first;
      }
      const taken = this.loaded.takenKeys.get(key.hash);
      if (taken) {
        if (taken.fingerprint !== key.fingerprint)
          return { status: 'refused', id, code: 'idempotency_key_reused' };
        return { status: 'replayed', id: taken.stream_id, version: taken.version };
      }
      this.keyUsers.set(key.hash, { at, fingerprint: key.fingerprint });
    }
    const outcome = this.decideUnkeyed(item, at);
    if (key && outcome.status !== 'accepted') this.keysToReturn.push(key.hash);
    return outcome;
  }

  private decideUnkeyed(item: JobItem, at: number): JobOutcome {
    const { id, command } = item;
    const head = this.loaded.heads.get(id);
    // A job made in this very batch has no row to update yet: what follows it goes alone, after the commit.
    if (head?.found === 'held' || this.inserted.has(id)) return this.hold(id, at);
    const state = this.states.get(id) ?? stateOf(head);

    const owner = isLive(state) ? state.userId : item.userId;
    for (const { target, id: targetId, pointer } of targetsOf(item)) {
      const reference = this.loaded.references.get(`${target}/${targetId}`);
      if (!reference || reference.user_id !== owner)
        return { status: 'refused', id, code: 'unknown_reference', pointer };
      if (reference.held) return this.hold(id, at);
    }

    const { events, refusal } = decide(state, command, this.now);
    let next = state;
    for (const event of events) next = this.record(item, next, event);
    if (events.length > 0) this.states.set(id, next);
    if (command.type === 'queue' && events.length > 0) {
      const queued = next as LiveJob;
      this.inserted.set(id, {
        id,
        userId: item.userId,
        job: command.job,
        runAt: queued.runAt,
        createdAt: this.now,
      });
    }
    if (refusal) return { status: 'refused', id, code: refusal };
    const version = next.status === 'absent' ? 0 : next.version;
    return events.length === 0
      ? { status: 'unchanged', id, job: next, version }
      : { status: 'accepted', id, job: next, version, position: 0 };
  }

  private hold(id: string, at: number): JobOutcome {
    this.held.push(at);
    return { status: 'conflict', id };
  }

  private record({ id, meta, userId }: JobItem, state: JobState, event: JobEvent): JobState {
    const owner = isLive(state) ? state.userId : userId;
    const version = state.status === 'absent' ? 1 : state.version + 1;
    const recordedAt = isLive(state) ? Math.max(state.updatedAt, this.now) : this.now;
    const recorded = { ...event, version, recordedAt, userId: owner } as RecordedJobEvent;
    const next = evolve(state, recorded);

    let data: object = event.data;
    if (event.content) {
      const { body, salt, sha256 } = commitContent(event.content);
      this.contents.push({ streamId: id, version, userId: owner, salt, body });
      data = { ...event.data, content_sha256: sha256 };
    }
    this.events.push({
      streamId: id,
      version,
      userId: owner,
      type: event.type,
      schemaVersion: 1,
      data: toIJson(data),
      meta: this.metaText(meta),
      recordedAt,
      scopeId: event.data.project_id,
      tally: tallyOf(event),
    });
    this.touched.add(id);
    this.applyToRows(id, owner, recorded, next);
    return next;
  }

  // The commands of one call share one object.
  private metaText(meta: EventMeta): string {
    let text = this.metaTexts.get(meta);
    if (text === undefined) this.metaTexts.set(meta, (text = toIJson(meta)));
    return text;
  }

  private applyToRows(id: string, userId: string, event: RecordedJobEvent, next: JobState): void {
    switch (event.type) {
      case 'JobSucceeded':
      case 'JobOutputAdded':
        for (const output of event.data.outputs) this.outputs.push({ jobId: id, userId, output });
        return;
      case 'JobDetailsChanged':
      case 'JobInputAssetRemoved': {
        const job = next as LiveJob;
        const changed = event.type === 'JobDetailsChanged' && event.content ? event : null;
        const earlier = this.changes.get(id);
        this.changes.set(id, {
          id,
          projectId: job.projectId,
          mode: job.mode,
          inputAssetId: job.inputAssetId,
          contentVersion: changed ? event.version : (earlier?.contentVersion ?? null),
          tags:
            changed?.content && 'tags' in changed.content
              ? (changed.content.tags ?? null)
              : (earlier?.tags ?? null),
        });
        return;
      }
      case 'JobDeleted':
        this.gone.set(id, 'deleted');
        return;
      case 'JobArchived':
        this.gone.set(id, 'archived');
        return;
      default:
        return;
    }
  }

  private writes(): Statement[] {
    const writes: Statement[] = [];
    if (this.events.length > 0) writes.push(appendStatement(this.events));
    if (this.contents.length > 0) writes.push(contentsStatement(this.contents));
    if (this.inserted.size > 0) writes.push(insertJobsStatement([...this.inserted.values()]));
    const updates = [...this.touched].flatMap((id) => {
      const job = this.states.get(id)!;
      const head = this.loaded.heads.get(id);
      return head && isLive(job) ? [{ rowId: head.row_id, job }] : [];
    });
    if (updates.length > 0) writes.push(updateJobsStatement(updates));
    if (this.changes.size > 0) writes.push(changeRequestsStatement([...this.changes.values()]));
    if (this.outputs.length > 0) writes.push(insertOutputsStatement(this.outputs));
    for (const reason of ['deleted', 'archived'] as const) {
      const ended = [...this.gone]
        .filter(([, why]) => why === reason)
        .map(([id]) => ({ id, version: this.versionOf(id) }));
      if (ended.length > 0) writes.push(endJobsStatement(ended, reason, this.now));
    }
    if (this.keysToReturn.length > 0) writes.push(returnKeysStatement(this.keysToReturn));
    return writes;
  }

  private versionOf(id: string): number {
    const state = this.states.get(id)!;
    return state.status === 'absent' ? 0 : state.version;
  }
}

/** {status left, status entered, cost after, change of cost, 1 if it changed its project}: see the view job_movements. */
export function tallyOf({ data }: JobEvent): number[] {
  const { from, to, cost_cents, cost_delta_cents } = data;
  const moved = data.from_project_id === undefined ? 0 : 1;
  return [statusNumber(from), statusNumber(to), cost_cents, cost_delta_cents, moved];
}

function statusNumber(status: JobStatus | null): number {
  return status === null ? 0 : JOB_STATUSES.indexOf(status) + 1;
}

function stateOf(head: JobHeadRow | undefined): JobState {
  if (!head) return ABSENT;
  if (head.found === 'ended') {
    const reason = head.status === 'archived' ? 'archived' : 'deleted';
    return { status: 'ended', reason, userId: head.user_id, version: head.version };
  }
  return jobOfRow(head);
}

export type { NewJob };
