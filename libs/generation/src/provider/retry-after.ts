/** A provider that asks for more is asked again after a day: no number of its choosing parks a job for good. */
const MAX_WAIT_MS = 24 * 60 * 60 * 1_000;

/**
 * How long a provider wants to be left alone, in ms: `retry-after-ms` (OpenAI's, the finer one), else `Retry-After` in
 * seconds or as an HTTP date. Undefined where it does not say, or not in a form that is one of these.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const wait =
    decimal(headers.get('retry-after-ms')) ??
    times(decimal(headers.get('retry-after')), 1_000) ??
    until(headers.get('retry-after'), now);
  return wait === undefined ? undefined : Math.min(MAX_WAIT_MS, Math.max(0, Math.ceil(wait)));
}

function decimal(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}(\.\d{1,9})?$/.test(text.trim()) ? Number(text) : undefined;
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

/** Date.parse takes nearly anything, so the form is looked at first: `Sun, 06 Nov 1994 08:49:37 GMT`. */
function until(text: string | null, now: number): number | undefined {
  if (text === null || !/^[a-z]{3}, \d{2} [a-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/i.test(text.trim())) return;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at - now;
}
