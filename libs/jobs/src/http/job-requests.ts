import { Problem } from '@genledger/platform';
import type { ProblemItem } from '@genledger/platform';
import type { JobRequest } from '../admission';
import type { JobFilter } from '../read-models/job-reader';
import { RequestedParameters } from '../text-to-image';
import type { CreateJobDto } from './jobs.dto';
import type { ListJobsDto } from './list-jobs.dto';

const IMAGE_FIELDS = [
  'prompt',
  'negative_prompt',
  'number_of_images',
  'aspect_ratio',
  'seed',
  'model',
] as const;

/**
 * What a body asks for.
 *
 * @param imageModel the only one that may be asked for.
 * @param cancelAfter the request's Cancel-After, in seconds from now.
 * @throws Problem `validation-failed` where fields do not go together.
 */
export function jobRequestOf(dto: CreateJobDto, imageModel: string, cancelAfter?: number): JobRequest {
  const kind = dto.kind ?? (dto.prompt === undefined ? 'external' : 'text_to_image');
  const errors: ProblemItem[] = [];
  if (kind === 'text_to_image') {
    if (dto.prompt === undefined) errors.push(fault('prompt', 'required', 'prompt must be given'));
    if (dto.cost_cents !== undefined)
      errors.push(fault('cost_cents', 'not-allowed', 'the price of images is ours'));
    if (dto.model !== undefined && dto.model !== imageModel)
      errors.push(fault('model', 'not-allowed', `model must be ${imageModel}, which is what runs here`));
  } else {
    if (dto.mode === undefined)
      errors.push(fault('mode', 'required', 'mode must be given for external jobs'));
    for (const field of IMAGE_FIELDS) {
      if (dto[field] !== undefined) errors.push(fault(field, 'not-allowed', `${field} is for image jobs`));
    }
  }
  if (cancelAfter !== undefined && dto.deadline !== undefined)
    errors.push(fault('deadline', 'not-allowed', 'Cancel-After sets the deadline: one of the two'));
  if (errors.length > 0) throw new Problem('validation-failed', undefined, { errors });
  const { prompt, negative_prompt, number_of_images, aspect_ratio, seed, model } = dto;
  return {
    kind,
    projectId: dto.project_id,
    mode: dto.mode,
    inputAssetId: dto.input_asset_id,
    textToImage:
      kind === 'text_to_image' && prompt !== undefined
        ? { prompt, negative_prompt, ...given({ number_of_images, aspect_ratio, seed, model }) }
        : undefined,
    metadata: dto.metadata,
    tags: dto.tags,
    priority: dto.priority,
    runAt: time(dto.run_at),
    deadline: cancelAfter === undefined ? time(dto.deadline) : Date.now() + cancelAfter * 1_000,
    maxAttempts: dto.max_attempts,
    costCents: dto.cost_cents,
  };
}

export function jobFilterOf(dto: ListJobsDto): JobFilter {
  return {
    status: dto.status,
    projectId: dto.project_id,
    mode: dto.mode,
    kind: dto.kind,
    inputAssetId: dto.input_asset_id,
    tag: dto.tag,
    createdAfter: time(dto.created_after) ?? undefined,
    createdBefore: time(dto.created_before) ?? undefined,
  };
}

/** The same text for the same request, however its keys were ordered: what an idempotency key is bound to. */
export function fingerprintOf(route: string, body: object): string {
  return `${route}\n${JSON.stringify(body, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )}`;
}

function given(parameters: RequestedParameters): RequestedParameters {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}

function fault(field: string, code: string, detail: string): ProblemItem {
  return { pointer: `#/${field}`, code, detail };
}

function time(text: string | null | undefined): number | null {
  return text === undefined || text === null ? null : Date.parse(text);
}
