import type { GenerationFailure } from '../image-generator';

export interface FaultOptions {
  readonly retryAfterMs?: number;
  /** What the operator has to see to: nothing that a job's owner, or waiting, can mend. */
  readonly forOperator?: string;
}

/** Why there is no image. `reason` is for the log, `message` for the job's owner. */
export class ProviderFault extends Error {
  override readonly name = 'ProviderFault';
  readonly retryAfterMs: number | undefined;
  readonly forOperator: string | undefined;

  constructor(
    readonly code: GenerationFailure,
    message: string,
    readonly reason: string,
    { retryAfterMs, forOperator }: FaultOptions = {},
  ) {
    super(message);
    this.retryAfterMs = retryAfterMs;
    this.forOperator = forOperator;
  }
}

/** The provider, or the way to it, is at fault: the owner learns no more than that. */
export function unavailable(reason: string, options?: FaultOptions): ProviderFault {
  return new ProviderFault(
    'provider_unavailable',
    'The image provider is not available at present',
    reason,
    options,
  );
}
