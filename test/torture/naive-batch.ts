import type { Client } from 'pg';
import { appendRaw } from '../support/raw-append';

export interface NaiveCommand {
  readonly streamId: string;
  readonly version: number;
  /** Any UUID. */
  readonly key?: string;
}

/**
 * The group commit without its care: one transaction, rows are waited for, an error is everyone's. What the tests of the
 * real one must see fail.
 */
export async function naiveBatch(client: Client, commands: readonly NaiveCommand[]): Promise<'all' | 'none'> {
  try {
    await client.query(`begin; set local lock_timeout = '500ms'`);
    for (const { key, streamId } of commands) {
      if (key)
        await client.query(
          `insert into genledger.idempotency_keys (key_hash, fingerprint, stream_id, version) values ($1, $1, $2, 1)`,
          [key, streamId],
        );
    }
    await client.query(
      `select 1 from genledger.stream_heads where stream_id = any ($1::uuid[]) order by stream_id for no key update`,
      [commands.map(({ streamId }) => streamId)],
    );
    await appendRaw(client, ...commands);
    await client.query('commit');
    return 'all';
  } catch {
    await client.query('rollback');
    return 'none';
  }
}
