import { Inject, Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Database, GENLEDGER_CONFIG, type Config } from '@genledger/platform';
import { ObjectStorage, type StoredObject } from './object-storage';

/** Milliseconds. */
const SWEEP_EVERY = 10 * 60_000;
/** Milliseconds. A job stores its outputs seconds before it links them; an hour is a worker stuck for long. */
export const SWEEP_GRACE = 60 * 60_000;
/** Rows or keys in one statement. */
const CHUNK = 500;

export interface SweepCounts {
  /** Outputs that no job linked. */
  readonly rows: number;
  /** Objects without a row, those of the rows above included. */
  readonly objects: number;
  /** Files of interrupted writes. */
  readonly unfinished: number;
}

const UNLINKED = `
  delete from genledger.uploads where id in (
    select u.id from genledger.uploads u
     where u.purpose = 'generation_output' and u.created_at < $1
       and not exists (select from genledger.job_outputs o where o.upload_id = u.id)
     order by u.id limit ${CHUNK} for update skip locked)
  returning storage_key`;

/** Removes what a crash between storing and linking, or between two deletes, left behind. */
@Injectable()
export class UploadSweeper {
  private readonly logger = new Logger(UploadSweeper.name);

  constructor(
    private readonly database: Database,
    private readonly storage: ObjectStorage,
    @Inject(GENLEDGER_CONFIG) private readonly config: Config,
  ) {}

  @Interval(SWEEP_EVERY)
  async tick(): Promise<void> {
    if (!this.config.roles.has('scheduler')) return;
    try {
      const counts = await this.sweep(new Date(), SWEEP_GRACE);
      if (counts && counts.rows + counts.objects + counts.unfinished > 0)
        this.logger.log({ msg: 'swept uploads', ...counts });
    } catch (error) {
      this.logger.error(error);
    }
  }

  /**
   * `grace` in milliseconds: what is younger is left alone. Undefined while another sweep runs, here or in another
   * process.
   *
   * The lock's transaction does nothing else, so that it holds no snapshot; each chunk is deleted in its own.
   */
  async sweep(now: Date, grace: number): Promise<SweepCounts | undefined> {
    const before = new Date(now.getTime() - grace);
    return this.database.transaction(async (query) => {
      const [lock] = await query<{ held: boolean }>(
        `select pg_try_advisory_xact_lock(hashtext('genledger.upload_sweeper')) as held`,
      );
      if (lock?.held !== true) return undefined;
      const rows = await this.sweepRows(before);
      const objects = await this.sweepObjects(before);
      const unfinished = await this.storage.discardUnfinished(before);
      return { rows: rows.rows, objects: rows.objects + objects, unfinished };
    });
  }

  private async sweepRows(before: Date): Promise<{ rows: number; objects: number }> {
    let rows = 0;
    let objects = 0;
    for (;;) {
      const gone = await this.database.write<{ storage_key: string }>(UNLINKED, [before]);
      for (const { storage_key } of gone) if (await this.storage.delete(storage_key)) objects += 1;
      rows += gone.length;
      if (gone.length < CHUNK) return { rows, objects };
    }
  }

  private async sweepObjects(before: Date): Promise<number> {
    let removed = 0;
    let chunk: StoredObject[] = [];
    for await (const object of this.storage.list()) {
      if (object.modifiedAt >= before) continue;
      chunk.push(object);
      if (chunk.length < CHUNK) continue;
      removed += await this.removeStray(chunk);
      chunk = [];
    }
    return removed + (await this.removeStray(chunk));
  }

  private async removeStray(objects: readonly StoredObject[]): Promise<number> {
    if (objects.length === 0) return 0;
    const stray = await this.database.write<{ key: string }>(
      `select k.key from unnest($1::text[]) as k(key)
        where not exists (select from genledger.uploads u where u.storage_key = k.key)`,
      [objects.map((object) => object.key)],
    );
    let removed = 0;
    for (const { key } of stray) if (await this.storage.delete(key)) removed += 1;
    return removed;
  }
}
