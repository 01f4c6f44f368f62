import type { EventMeta } from '@genledger/event-store';
import type { JobState } from './job';
import type { JobCommand } from './job-commands';
import type { JobRefusal } from './job.decider';
import type { JobHeadRow } from './job-rows';

/** One command on one job, as it travels through a batch. */
export interface JobItem {
  readonly id: string;
  readonly command: JobCommand;
  /** Owner of a new job; else unused. */
  readonly userId: string;
  readonly meta: EventMeta;
  readonly key?: IdempotencyKey;
  /** Its time in ms since 1970, in place of the database's: made-up histories in an empty log, and nothing else. */
  readonly at?: number;
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

export type JobItemRefusal = JobRefusal | 'unknown_reference' | 'idempotency_key_reused' | 'invalid_value';

export interface TakenKey {
  readonly key_hash: string;
  readonly fingerprint: string;
  readonly stream_id: string;
  readonly version: number;
}

export interface Reference {
  readonly target: 'projects' | 'assets' | 'uploads';
  readonly id: string;
  readonly user_id: string;
  readonly held: boolean;
}

/** What a batch has locked and found. */
export interface LoadedJobs {
  readonly heads: Map<string, JobHeadRow>;
  readonly takenKeys: Map<string, TakenKey>;
  readonly references: Map<string, Reference>;
}

/** Calls `visit` with everything that a command refers to, and where the command names it. */
export function eachTarget(
  { command }: Pick<JobItem, 'command'>,
  visit: (target: Reference['target'], id: string, pointer: string) => void,
): void {
  if (command.type === 'queue') {
    const { projectId, inputAssetId } = command.job;
    if (projectId !== null) visit('projects', projectId, '#/project_id');
    if (inputAssetId !== null) visit('assets', inputAssetId, '#/input_asset_id');
  } else if (command.type === 'change_details') {
    if (command.projectId) visit('projects', command.projectId, '#/project_id');
  } else if (command.type === 'succeed' || command.type === 'add_outputs') {
    command.outputs.forEach((output, at) => visit('uploads', output.upload_id, `#/outputs/${at}/upload_id`));
  }
}

/** Roughly what a command adds to a batch's statements, in bytes. */
export function sizeOf({ command }: JobItem): number {
  if (command.type !== 'queue') return 400;
  const { content } = command.job;
  if (content === null) return 900;
  const { prompt = '', negative_prompt = '', metadata } = content;
  return 900 + prompt.length + negative_prompt.length + (metadata ? Object.keys(metadata).length * 600 : 0);
}
