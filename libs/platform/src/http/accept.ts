export const EVENT_STREAM = 'text/event-stream';

/** How much a client wants a media type by its Accept header (RFC 9110 §12.5.1): 0 is not at all. */
interface Preference {
  readonly quality: number;
  /** 2: named, 1: by its `type/*`, 0: by anything at all. */
  readonly specificity: number;
}

/** Whether an answer that may be an event stream shall be one. Where the client does not care, it shall not. */
export function prefersEventStream(accept: string | undefined, otherwise: string): boolean {
  const stream = preferenceFor(EVENT_STREAM, accept);
  const other = preferenceFor(otherwise, accept);
  if (stream.quality === 0) return false;
  if (stream.quality !== other.quality) return stream.quality > other.quality;
  return stream.specificity > other.specificity;
}

export function acceptsEventStream(accept: string | undefined): boolean {
  return preferenceFor(EVENT_STREAM, accept).quality > 0;
}

function preferenceFor(type: string, accept: string | undefined): Preference {
  if (accept === undefined || accept.trim() === '') return { quality: 1, specificity: 0 };
  let best: Preference = { quality: 0, specificity: -1 };
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const specificity = [`*/*`, `${type.split('/')[0]}/*`, type].indexOf(range);
    if (specificity > best.specificity) best = { quality: qualityOf(parameters), specificity };
  }
  return best;
}

/** A weight that cannot be read counts as none given. */
function qualityOf(parameters: readonly string[]): number {
  const text = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, '');
  return text !== undefined && /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Number(text) : 1;
}
