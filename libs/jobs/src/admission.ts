import { hash } from 'node:crypto';
import type { RequestContent } from './job-events';
import type { IdempotencyKey } from './job-item';
import type { NewJob } from './job-commands';
import { priceInCents } from './prices';
import { DEFAULT_MODEL, effectiveParameters, TextToImageRequest } from './text-to-image';

/** A job as a caller asks for it; validated in shape, not yet priced. Times are ms since 1970. */
export interface JobRequest {
  readonly kind: 'text_to_image' | 'external';
  readonly projectId?: string | null;
  readonly mode?: string;
  readonly inputAssetId?: string | null;
  readonly textToImage?: TextToImageRequest;
  readonly metadata?: Record<string, string>;
  readonly tags?: readonly string[];
  readonly priority?: number;
  readonly runAt?: number | null;
  readonly deadline?: number | null;
  readonly maxAttempts?: number;
  /** External jobs only: what it has cost so far. */
  readonly costCents?: number;
  readonly retryOf?: string | null;
}

const DEFAULT_MAX_ATTEMPTS = 3;

/** Prices a request and fills in what it leaves open; `imageModel` is what image jobs run with that name no model. */
export function admit(request: JobRequest, imageModel = DEFAULT_MODEL): NewJob {
  const { prompt, negative_prompt, ...requested } = request.textToImage ?? { prompt: undefined };
  const effective = request.textToImage ? effectiveParameters(requested, imageModel) : null;
  return {
    kind: request.kind,
    mode: request.mode ?? request.kind,
    model: effective?.model ?? null,
    projectId: request.projectId ?? null,
    inputAssetId: request.inputAssetId ?? null,
    collectionId: null,
    ordinalNumber: null,
    traitOverrides: null,
    requested: defined(requested),
    effective: effective === null ? {} : { ...effective },
    content: contentOf({ prompt, negative_prompt, metadata: request.metadata, tags: request.tags }),
    priority: request.priority ?? 0,
    maxAttempts: request.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    runAt: request.runAt ?? null,
    deadline: request.deadline ?? null,
    retryOf: request.retryOf ?? null,
    estimatedCents: effective ? priceInCents(request.kind, effective.number_of_images) : 0,
    statedCents: request.costCents ?? 0,
  };
}

/** null where there is nothing that would ever have to be erased. */
export function contentOf(content: RequestContent): RequestContent | null {
  const given = defined(content);
  for (const _member in given) return given;
  return null;
}

/** Scope of a key: the user. `payload` is what must be the same when the key comes again. */
export function idempotencyKey(userId: string, key: string, payload: string): IdempotencyKey {
  return { hash: hash128(`${userId}\n${key}`), fingerprint: hash128(payload) };
}

function hash128(text: string): string {
  const hex = hash('sha256', text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** Without members that are undefined. */
function defined<T extends object>(value: T): T {
  const given: Partial<T> = {};
  for (const name in value) if (value[name] !== undefined) given[name] = value[name];
  return given as T;
}
