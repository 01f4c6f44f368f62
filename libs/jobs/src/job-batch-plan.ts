import {
  appendStatement,
  BatchPlan,
  commitContent,
  contentsStatement,
  EventMeta,
  NewContent,
  NewEvent,
  Statement,
  toIJson,
} from '@genledger/event-store';
import { ABSENT, EndedJob, evolve, isLive, JobState, LiveJob } from './job';
import { ChargeFacts, JOB_STATUSES, JobEvent, JobStatus, RecordedJobEvent } from './job-events';
import { eachTarget, JobItem, JobOutcome, LoadedJobs } from './job-item';
import { decide } from './job.decider';
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

/** The decisions of one batch and the rows that they lead to. */
export class JobBatchPlan {
  private readonly states = new Map<string, JobState>();
  private readonly inserted = new Map<string, InsertedJob>();
  private readonly touched = new Set<string>();
  private readonly events: NewEvent[] = [];
  private readonly contents: NewContent[] = [];
  private readonly firstContents = new Map<string, Pick<NewContent, 'salt' | 'body'>>();
  private readonly outputs: LinkedOutput[] = [];
  private readonly changes = new Map<string, ChangedRequest>();
  private readonly gone = new Map<string, { readonly reason: EndedJob['reason']; readonly at: number }>();
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
    const now = item.at ?? this.now;
    const { events, refusal } = decide(state, command, now);
    // Before its references: that they are not those of its owner would tell that there is a job.
    if (refusal === 'not_found') return { status: 'refused', id, code: refusal };

    const owner = isLive(state) ? state.userId : item.userId;
    let unknown: string | undefined;
    let held = false;
    eachTarget(item, (target, targetId, pointer) => {
      const reference = this.loaded.references.get(targetId);
      if (reference?.target !== target || reference.user_id !== owner) unknown ??= pointer;
      else held ||= reference.held;
    });
    if (unknown !== undefined) return { status: 'refused', id, code: 'unknown_reference', pointer: unknown };
    if (held) return this.hold(id, at);

    let next = state;
    for (const event of events) next = this.record(item, next, event, now);
    if (events.length > 0) this.states.set(id, next);
    if (command.type === 'queue' && events.length > 0) {
      const queued = next as LiveJob;
      this.inserted.set(id, {
        id,
        userId: item.userId,
        job: command.job,
        content: this.firstContents.get(id) ?? null,
        runAt: queued.runAt,
        createdAt: now,
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

  private record({ id, meta, userId }: JobItem, state: JobState, event: JobEvent, now: number): JobState {
    const owner = isLive(state) ? state.userId : userId;
    const version = state.status === 'absent' ? 1 : state.version + 1;
    const recordedAt = isLive(state) ? Math.max(state.updatedAt, now) : now;
    const recorded = { ...event, version, recordedAt, userId: owner } as RecordedJobEvent;
    const next = evolve(state, recorded);

    let data: object = event.data;
    if (event.content) {
      const { body, salt, sha256 } = commitContent(event.content);
      // The first event's stands beside the request.
      if (version === 1) this.firstContents.set(id, { salt, body });
      else this.contents.push({ streamId: id, version, userId: owner, salt, body });
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
      account: accountOf(event),
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
        this.gone.set(id, { reason: 'deleted', at: event.recordedAt });
        return;
      case 'JobArchived':
        this.gone.set(id, { reason: 'archived', at: event.recordedAt });
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
    writes.push(...this.endings());
    if (this.keysToReturn.length > 0) writes.push(returnKeysStatement(this.keysToReturn));
    return writes;
  }

  /** One statement a reason and time: commands that bring no times of their own share the batch's. */
  private endings(): Statement[] {
    const ended = new Map<string, { id: string; version: number }[]>();
    for (const [id, { reason, at }] of this.gone) {
      const group = `${reason} ${at}`;
      const job = { id, version: this.versionOf(id) };
      if (ended.get(group)?.push(job) === undefined) ended.set(group, [job]);
    }
    return [...ended.values()].map((jobs) => {
      const { reason, at } = this.gone.get(jobs[0]!.id)!;
      return endJobsStatement(jobs, reason, at);
    });
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

/** What a change of cost is booked under; null where no cent moves. `fold_jobs` takes it apart again. */
export function accountOf({ data }: JobEvent): string | null {
  if (data.cost_delta_cents === 0) return null;
  const { mode, kind, model }: Partial<ChargeFacts> = data;
  return JSON.stringify([mode ?? null, kind ?? null, model ?? null]);
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
