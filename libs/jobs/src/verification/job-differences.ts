import { isDeepStrictEqual } from 'node:util';
import { isLive, LiveJob } from '../job';
import type { JobOutput } from '../job-events';
import type { GenerationJobRow } from '../read-models/generation-job.entity';
import type { ReplayedJob } from '../read-models/replay';
import type { JobRecord, Tombstone } from './job-records';

export interface FieldDifference {
  readonly field: string;
  readonly stored: unknown;
  readonly replayed: unknown;
}

/** What people wrote; named in findings, never shown. */
const TEXTS: ReadonlySet<string> = new Set(['prompt', 'negative_prompt', 'metadata', 'tags', 'error']);

/** A heartbeat moves the lease and leaves no event. */
const LEASE_FIELDS: ReadonlySet<string> = new Set(['leaseExpiresAt', 'workerId']);

/** All that a job's read models and its history do not agree on. */
export function jobDifferences(record: JobRecord, replayed: ReplayedJob): FieldDifference[] {
  return [
    ...rowDifferences(record.row, replayed),
    ...stateDifferences(record.hot, replayed),
    ...outputDifferences(record.outputs, replayed),
    ...tombstoneDifferences(record.tombstone, replayed),
    ...(record.hasColdRow && !replayed.row ? [present('cold row')] : []),
  ];
}

/** Field by field. A row that is missing on one side differs in the field `row`. */
export function rowDifferences(stored: GenerationJobRow | null, { row }: ReplayedJob): FieldDifference[] {
  if (!stored || !row) {
    if (!stored && !row) return [];
    return [{ field: 'row', stored: stored ? 'present' : 'absent', replayed: row ? 'present' : 'absent' }];
  }
  const fields = [...new Set([...Object.keys(stored), ...Object.keys(row)])] as (keyof GenerationJobRow)[];
  return fields
    .filter((field) => !isDeepStrictEqual(stored[field], row[field]))
    .map((field) => ({ field, stored: stored[field], replayed: row[field] }));
}

/** What commands go by and no reader sees: tokens, positions taken, which event holds the message. */
export function stateDifferences(stored: LiveJob | null, { state }: ReplayedJob): FieldDifference[] {
  if (!stored) return [];
  if (!isLive(state)) return [present('hot row')];
  return (Object.keys(state) as (keyof LiveJob)[])
    .filter((field) => !LEASE_FIELDS.has(field) && !isDeepStrictEqual(stored[field], state[field]))
    .map((field) => ({ field, stored: stored[field], replayed: state[field] }));
}

/** Of a job that is in the read models; one that is not has no outputs. */
export function outputDifferences(
  stored: readonly JobOutput[],
  { row, outputs }: ReplayedJob,
): FieldDifference[] {
  const expected = row ? [...outputs].sort((a, b) => a.position - b.position) : [];
  const differences: FieldDifference[] = [];
  for (let at = 0; at < Math.max(stored.length, expected.length); at++) {
    if (isDeepStrictEqual(stored[at], expected[at])) continue;
    const { position } = stored[at] ?? expected[at]!;
    differences.push({ field: `output ${position}`, stored: stored[at], replayed: expected[at] });
  }
  return differences;
}

export function tombstoneDifferences(stored: Tombstone | null, { state }: ReplayedJob): FieldDifference[] {
  const there = stored ? `${stored.reason} at ${stored.version}` : 'none';
  const expected = state.status === 'ended' ? `${state.reason} at ${state.version}` : 'none';
  return there === expected ? [] : [{ field: 'tombstone', stored: there, replayed: expected }];
}

function present(field: string): FieldDifference {
  return { field, stored: 'present', replayed: 'absent' };
}

export function describeDifference({ field, stored, replayed }: FieldDifference): string {
  return TEXTS.has(field)
    ? `${field} differs from its events`
    : `${field} is ${shown(stored)}, by its events ${shown(replayed)}`;
}

function shown(value: unknown): string {
  // JSON has null for a date that is none.
  const text = JSON.stringify(value) ?? 'absent';
  return text.length <= 120 ? text : `${text.slice(0, 117)}…`;
}
