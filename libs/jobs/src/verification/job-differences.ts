import { isDeepStrictEqual } from 'node:util';
import type { JobOutput } from '../job-events';
import type { GenerationJobRow } from '../read-models/generation-job.entity';
import type { ReplayedJob } from '../read-models/replay';

export interface FieldDifference {
  readonly field: string;
  readonly stored: unknown;
  readonly replayed: unknown;
}

/** What people wrote; named in findings, never shown. */
const TEXTS: ReadonlySet<string> = new Set(['prompt', 'negative_prompt', 'metadata', 'tags', 'error']);

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
