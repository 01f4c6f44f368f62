import type {
  JobOutput,
  JobOutputError,
  JobStatus,
  QueuedData,
  RecordedOutput,
  RequestContent,
} from './job-events';

/** Who commands. Roles above 'user' act on everyone's jobs; 'system' is the server itself. */
export interface JobActor {
  readonly userId: string | null;
  readonly role: 'user' | 'service' | 'worker' | 'auditor' | 'admin' | 'system';
}

/** A new job as admission has prepared it: references checked, priced, defaults filled in. Times are ms since 1970. */
export interface NewJob {
  readonly kind: QueuedData['kind'];
  readonly mode: string;
  readonly model: string | null;
  readonly projectId: string | null;
  readonly inputAssetId: string | null;
  readonly collectionId: string | null;
  readonly ordinalNumber: number | null;
  readonly traitOverrides: Record<string, string> | null;
  readonly requested: Record<string, unknown>;
  readonly effective: Record<string, unknown>;
  readonly content: RequestContent | null;
  readonly priority: number;
  readonly maxAttempts: number;
  /** null: due at once. */
  readonly runAt: number | null;
  readonly deadline: number | null;
  readonly retryOf: string | null;
  /** Reserved until the end. */
  readonly estimatedCents: number;
  /** Incurred at once: the owner of an external job states what it cost. */
  readonly statedCents: number;
}

export type JobCommand = { readonly actor: JobActor } & (
  | { readonly type: 'queue'; readonly job: NewJob }
  /** `leaseMs` null: an external job started by its owner, never rescued. */
  | { readonly type: 'start'; readonly workerId: string | null; readonly leaseMs: number | null }
  | {
      readonly type: 'progress';
      readonly leaseToken: number;
      readonly fraction: number;
      readonly stage: string;
    }
  | {
      readonly type: 'succeed';
      readonly leaseToken: number;
      readonly outputs: readonly RecordedOutput[];
      readonly outputErrors: readonly JobOutputError[];
      readonly costCents: number;
    }
  | {
      readonly type: 'fail';
      readonly leaseToken: number;
      readonly code: string;
      readonly message: string | null;
      readonly retryable: boolean;
      readonly retryAfterMs: number;
      readonly providerRequestId?: string;
    }
  | { readonly type: 'release'; readonly leaseToken: number }
  | { readonly type: 'expire_lease'; readonly leaseToken: number; readonly retryAfterMs: number }
  | { readonly type: 'miss_deadline' }
  | { readonly type: 'cancel' }
  /** The worker stopped because a cancel was asked for. */
  | { readonly type: 'confirm_cancel'; readonly leaseToken: number }
  | {
      readonly type: 'transition';
      readonly to: JobStatus;
      readonly code: string | null;
      readonly message: string | null;
      readonly costCents: number | null;
    }
  | {
      readonly type: 'change_details';
      readonly projectId?: string | null;
      readonly mode?: string;
      readonly priority?: number;
      /** The whole content anew: what was not changed is carried over by the caller. */
      readonly content?: RequestContent;
    }
  | { readonly type: 'add_outputs'; readonly outputs: readonly JobOutput[] }
  | { readonly type: 'remove_input_asset'; readonly assetId: string }
  | { readonly type: 'adjust_cost'; readonly deltaCents: number; readonly reason: string }
  | { readonly type: 'erase_content' }
  | { readonly type: 'archive' }
  | { readonly type: 'delete' }
);
