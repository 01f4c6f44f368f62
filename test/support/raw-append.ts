import type { ClientBase } from 'pg';
import { appendStatement } from '@genledger/event-store';

export interface RawEvent {
  readonly streamId: string;
  readonly version: number;
  readonly recordedAt?: Date;
}

/** Appends through the store's own function, inside whatever transaction the client is in. The last position. */
export async function appendRaw(client: ClientBase, ...events: readonly RawEvent[]): Promise<number> {
  const { text, values } = appendStatement(
    events.map(({ streamId, version, recordedAt }) => ({
      streamId,
      version,
      userId: streamId,
      type: 'Tested',
      schemaVersion: 1,
      data: '{}',
      meta: '{"actor":"test"}',
      recordedAt: recordedAt?.getTime() ?? Date.now(),
    })),
  );
  const { rows } = await client.query<{ position: number | string }>(text, values);
  return Number(rows[0]!.position);
}
