import type { PoolClient } from 'pg';
import {
  BatchCategory,
  BatchPlan,
  bigintArray,
  callOf,
  EventMeta,
  intArray,
  jsonArray,
  textArray,
  toIJson,
  uuidArray,
  verdictOn,
} from '@genledger/event-store';
import { JobOutputError, lastPosition, RecordedOutput } from './job-events';

/** A worker's good result, under its lease's token. */
export interface Success {
  readonly id: string;
  readonly leaseToken: number;
  readonly outputs: readonly RecordedOutput[];
  readonly outputErrors: readonly JobOutputError[];
  readonly costCents: number;
  readonly meta: EventMeta;
}

/** null: not for the fast path; `decide` has the answer. */
export type Succeeded = { readonly version: number; readonly position: number } | null;

interface EndedRow {
  readonly id: string;
  readonly version: number;
  readonly last_position: number;
}

/**
 * The fast path of `succeed`: one statement locks, checks the token, writes row, event and outputs. Sent twice, the second
 * finds nothing to end, and `decide` knows that the result is there.
 */
export class SuccessBatch implements BatchCategory<Success, Map<string, Succeeded>, Succeeded> {
  readonly isOneStatement = true;

  streamOf(success: Success): string {
    return success.id;
  }

  bytesOf({ outputs }: Success): number {
    return 300 + outputs.length * 300;
  }

  async load(client: PoolClient, successes: readonly Success[]): Promise<Map<string, Succeeded>> {
    // Repeated in one batch: the second one is not the fast path's, whichever of them is stale.
    const first = new Map<string, Success>();
    for (const success of successes) if (!first.has(success.id)) first.set(success.id, success);
    const batch = [...first.values()];
    try {
      return await this.send(client, batch, false);
    } catch (error) {
      if (verdictOn(error) !== 'blocked') throw error;
      return this.send(client, batch, true);
    }
  }

  decide(successes: readonly Success[], ended: Map<string, Succeeded>): BatchPlan<Succeeded> {
    return {
      held: [],
      writes: [],
      wrote: ended.size > 0,
      answer: () =>
        successes.map(({ id }) => {
          const succeeded = ended.get(id) ?? null;
          ended.delete(id);
          return succeeded;
        }),
    };
  }

  blocked(): Succeeded {
    return null;
  }

  /** `leaveHeld`: somebody holds a row of the batch, so that rows are locked first and held ones left out. */
  private async send(
    client: PoolClient,
    batch: readonly Success[],
    leaveHeld: boolean,
  ): Promise<Map<string, Succeeded>> {
    const outputs = batch.flatMap(({ id, outputs: of }) => of.map((output) => ({ id, output })));
    const metas = new Map<EventMeta, string>();
    for (const { meta } of batch) if (!metas.has(meta)) metas.set(meta, toIJson(meta));
    const { rows } = await client.query<EndedRow>(SUCCEED_JOBS, [
      uuidArray(batch.map(({ id }) => id)),
      intArray(batch.map(({ leaseToken }) => leaseToken)),
      intArray(batch.map(({ costCents }) => costCents)),
      intArray(
        batch.map((success) =>
          lastPosition({ outputs: success.outputs, output_errors: success.outputErrors }),
        ),
      ),
      jsonArray(batch.map((success) => list(success.outputs))),
      jsonArray(batch.map((success) => list(success.outputErrors))),
      jsonArray(batch.map(({ meta }) => metas.get(meta)!)),
      uuidArray(outputs.map(({ id }) => id)),
      intArray(outputs.map(({ output }) => output.position)),
      uuidArray(outputs.map(({ output }) => output.upload_id)),
      textArray(outputs.map(({ output }) => output.mime_type)),
      bigintArray(outputs.map(({ output }) => output.size)),
      textArray(outputs.map(({ output }) => output.sha256)),
      intArray(outputs.map(({ output }) => output.width)),
      intArray(outputs.map(({ output }) => output.height)),
      leaveHeld,
    ]);
    return new Map(rows.map(({ id, version, last_position }) => [id, { version, position: last_position }]));
  }
}

const SUCCEED_JOBS = `select id, version, last_position from ${callOf('succeed_jobs', 16)}`;

function list(values: readonly object[]): string {
  return values.length === 0 ? '[]' : toIJson(values);
}
