import type { StoredEvent } from '@genledger/event-store';
import { isTerminal } from '../job';
import { JOB_STATUSES, JobEventType, JobStatus } from '../job-events';
import { recordedEvent } from '../read-models/replay';
import type { LedgerFindings } from './invariants';

type Move = `${JobStatus | '-'}>${JobStatus | '-'}`;

const STAY: readonly Move[] = JOB_STATUSES.map((status): Move => `${status}>${status}`);
const STAY_ENDED: readonly Move[] = ['succeeded>succeeded', 'failed>failed', 'canceled>canceled'];

/** Where an event of each type may lead from where; `-` is outside the lists. A test holds it equal to the decider. */
export const LEGAL_MOVES: Readonly<Record<JobEventType, readonly Move[]>> = {
  JobQueued: ['->queued'],
  JobImported: JOB_STATUSES.map((status): Move => `->${status}`),
  JobStarted: ['queued>running'],
  JobProgressed: ['running>running'],
  JobSucceeded: ['running>succeeded'],
  JobFailed: ['running>failed', 'queued>failed'],
  JobAttemptFailed: ['running>queued'],
  JobLeaseExpired: ['running>queued'],
  JobReleased: ['running>queued'],
  JobCancelRequested: ['running>running'],
  JobCanceled: ['queued>canceled', 'running>canceled'],
  JobDetailsChanged: ['queued>queued'],
  JobOutputAdded: ['succeeded>succeeded'],
  JobInputAssetRemoved: STAY,
  JobResultRefused: STAY,
  JobCostAdjusted: STAY,
  JobContentErased: STAY_ENDED,
  JobArchived: STAY_ENDED,
  JobRestored: STAY_ENDED,
  JobDeleted: ['succeeded>-', 'failed>-', 'canceled>-'],
};

const ENDS: readonly JobEventType[] = ['JobSucceeded', 'JobFailed', 'JobCanceled'];

/** Walks one job's history, oldest first. */
export function verifyHistory(id: string, events: readonly StoredEvent[], findings: LedgerFindings): void {
  findings.checked('histories_legal', 1);
  findings.checked('one_terminal_event', 1);
  findings.checked('costs_chain', 1);
  const ends = events.filter((event) => ENDS.includes(event.type as JobEventType));
  if (ends.length > 1) {
    const named = ends.map(({ type, version }) => `${type} ${version}`).join(', ');
    findings.offends('one_terminal_event', id, `ended ${ends.length} times: ${named}`);
  }
  const illegal = firstIllegalMove(events);
  if (illegal) findings.offends('histories_legal', id, illegal);
  const wrongCost = firstWrongCost(events);
  if (wrongCost) findings.offends('costs_chain', id, wrongCost);
}

function firstIllegalMove(events: readonly StoredEvent[]): string | null {
  let status: JobStatus | null = null;
  let away = null as 'archived' | 'deleted' | null;
  for (const [at, stored] of events.entries()) {
    const event = recordedEvent(stored);
    const { from, to } = event.data;
    const named = `version ${stored.version}, ${event.type}`;
    const moves: readonly Move[] | undefined = LEGAL_MOVES[event.type];
    if (!moves) return `${named}: no event of a job`;
    if (at > 0 && (event.type === 'JobQueued' || event.type === 'JobImported'))
      return `${named}: not the first event`;
    if (from !== status) return `${named}: leaves ${from}, the job was ${status}`;
    if (!moves.includes(`${from ?? '-'}>${to ?? '-'}`)) return `${named}: goes from ${from} to ${to}`;
    if (event.type === 'JobFailed' && from === 'queued' && event.data.code !== 'deadline_exceeded')
      return `${named}: a queued job fails only by its deadline, not by ${event.data.code}`;
    if (
      away === 'deleted' ||
      (away === 'archived' && event.type !== 'JobRestored' && event.type !== 'JobContentErased')
    )
      return `${named}: comes after the job was ${away}`;
    if (event.type === 'JobArchived') away = 'archived';
    if (event.type === 'JobRestored') away = null;
    if (event.type === 'JobDeleted') away = 'deleted';
    status = to;
  }
  return null;
}

function firstWrongCost(events: readonly StoredEvent[]): string | null {
  let cost = 0;
  let reserved = 0;
  for (const stored of events) {
    const { cost_cents, cost_delta_cents, reserved_delta_cents, to } = recordedEvent(stored).data;
    const named = `version ${stored.version}, ${stored.type}`;
    if (![cost_cents, cost_delta_cents, reserved_delta_cents].every(Number.isInteger))
      return `${named}: not in whole cents`;
    if (cost_delta_cents < 0) return `${named}: the cost falls by ${-cost_delta_cents}`;
    if (cost + cost_delta_cents !== cost_cents)
      return `${named}: ${cost} + ${cost_delta_cents} is not ${cost_cents}`;
    cost = cost_cents;
    reserved += reserved_delta_cents;
    if (reserved < 0) return `${named}: more is released than was reserved`;
    if (to !== null && isTerminal(to) && reserved !== 0)
      return `${named}: ${reserved} stay reserved after the end`;
  }
  return null;
}
