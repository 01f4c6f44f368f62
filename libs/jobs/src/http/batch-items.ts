import { Problem, validateBody } from '@genledger/platform';
import type { ProblemItem } from '@genledger/platform';
import { BatchItemDto } from './jobs.dto';

/** An item's answer where it is refused: the status and problem that it alone would have got. */
export interface RefusedItem {
  readonly index: number;
  readonly status: number;
  readonly error: {
    readonly code: string;
    readonly detail: string;
    readonly errors?: readonly ProblemItem[];
  };
}

export function refusedItem(index: number, { status, code, message, errors }: Problem): RefusedItem {
  return { index, status, error: { code, detail: message, ...(errors && { errors }) } };
}

/** Validates a batch's items one by one. `read` may refuse one by throwing a Problem. */
export function readBatch<T>(
  bodies: readonly object[],
  read: (item: BatchItemDto, index: number) => T,
): { readonly items: { readonly index: number; readonly item: T }[]; readonly refused: RefusedItem[] } {
  const items: { index: number; item: T }[] = [];
  const refused: RefusedItem[] = [];
  bodies.forEach((body, index) => {
    try {
      items.push({ index, item: read(validateBody(BatchItemDto, body), index) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused.push(refusedItem(index, error));
    }
  });
  return { items, refused };
}
