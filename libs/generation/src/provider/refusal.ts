import { member, parseJson } from './image-answer';
import type { FetchedAnswer } from './bounded-fetch';
import { ProviderFault, unavailable } from './provider-fault';
import { retryAfterMs } from './retry-after';

/** OpenAI's words for it: of the older image models, and of the newer ones. */
const POLICY_CODES: ReadonlySet<unknown> = new Set(['content_policy_violation', 'moderation_blocked']);
/** The account, not the request: OpenAI sends these with 400 and 429, too. */
const ACCOUNT_CODES: ReadonlySet<unknown> = new Set(['billing_hard_limit_reached', 'insufficient_quota']);
const ACCOUNT_STATUSES: ReadonlySet<number> = new Set([401, 402, 403]);
/** Request timeout, conflict, too early: the same request may go through later. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 409, 425]);
const MAX_MESSAGE = 500;

/**
 * What an answer other than 2xx means. A refusal of the key or of the account is not the owner's fault: the job is tried
 * again, and the log says what the operator has to do.
 *
 * @param withoutKey takes the provider's key out of what the provider says.
 */
export function refusalOf(
  { status, headers, body }: FetchedAnswer,
  withoutKey: (text: string) => string,
  now = Date.now(),
): ProviderFault {
  const answer = parseJson(body);
  const error = member(answer, 'error');
  const code = member(error, 'code');
  const reason = withoutKey(
    [`status ${status}`, word(code ?? member(error, 'type'))].filter(Boolean).join(', '),
  );
  const message = said(error, withoutKey);
  const wait = { retryAfterMs: retryAfterMs(headers, now) };
  if (status < 400) return unavailable(`${reason}: redirects are not followed`);
  if (POLICY_CODES.has(code)) {
    const refusal = 'The image provider refuses the prompt by its content policy';
    return new ProviderFault('content_policy_violation', message ?? refusal, reason);
  }
  if (ACCOUNT_STATUSES.has(status) || ACCOUNT_CODES.has(code)) {
    const forOperator = 'the image provider refuses this server: see to IMAGE_PROVIDER_KEY and its account';
    return unavailable(reason, { ...wait, forOperator });
  }
  if (status === 429)
    return new ProviderFault('rate_limited', 'The image provider asks to wait', reason, wait);
  if (status >= 500 || PASSING_STATUSES.has(status)) return unavailable(reason, wait);
  // A proxy's page, or another server altogether: the request has not been judged.
  if (answer === undefined) return unavailable(`${reason}: the answer is no JSON`);
  return new ProviderFault('invalid_input', message ?? 'The image provider refuses the request', reason);
}

/** What the provider says to whoever wrote the prompt; on one line, without what cannot be stored. */
function said(error: unknown, withoutKey: (text: string) => string): string | undefined {
  const message = typeof error === 'string' ? error : member(error, 'message');
  if (typeof message !== 'string') return undefined;
  const line = withoutKey(message)
    .slice(0, MAX_MESSAGE)
    .replace(/[\p{Cc}\p{Cs}\p{Cn}\s]+/gu, ' ')
    .trim();
  return line === '' ? undefined : line;
}

/** A code such as `model_not_found`; anything else is no word for a log. */
function word(text: unknown): string | undefined {
  return typeof text === 'string' && /^[\w.-]{1,64}$/.test(text) ? text : undefined;
}
