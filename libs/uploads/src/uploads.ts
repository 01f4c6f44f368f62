import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, isUuid, newId, type Actor } from '@genledger/platform';
import { readImageFacts } from './image-facts';
import { ObjectStorage } from './object-storage';
import { storageKeyOf } from './storage-key';
import { toUpload, UPLOAD_COLUMNS, type Upload, type UploadPurpose, type UploadRow } from './upload';

export interface NewUpload {
  /** A UUIDv7 of the caller's: storing the same bytes under it again returns the same upload. */
  readonly id?: string;
  readonly userId: string;
  readonly purpose: UploadPurpose;
  readonly bytes: Buffer;
  /** What the sender says it is; refused where the bytes are something else. */
  readonly declaredMimeType?: string;
}

export interface UploadPage {
  readonly uploads: readonly Upload[];
  readonly hasMore: boolean;
}

/** An id was used before, for another file. */
export class UploadConflictError extends Error {
  constructor() {
    super('an upload with this id has other content');
  }
}

/** A job's outputs show up together, when the job's result links them, and not before. */
const IS_VISIBLE = `(u.purpose = 'input' or exists (select from genledger.job_outputs o where o.upload_id = u.id))`;

/** Each purpose is walked in its own index order; a missing purpose merges the two. */
const LIST = `
  select ${UPLOAD_COLUMNS} from (
    (select u.* from genledger.uploads u
      where u.user_id = $1 and u.purpose = 'input' and ($2::text is null or $2 = 'input') and ($3::uuid is null or u.id < $3)
      order by u.id desc limit $4)
    union all
    (select u.* from genledger.uploads u
      where u.user_id = $1 and u.purpose = 'generation_output' and ($2::text is null or $2 = 'generation_output')
        and ($3::uuid is null or u.id < $3)
        and exists (select from genledger.job_outputs o where o.upload_id = u.id)
      order by u.id desc limit $4)
  ) u order by u.id desc limit $4`;

const INSERT = `
  insert into genledger.uploads (id, user_id, purpose, storage_key, mime_type, size, sha256, width, height)
  select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::int[], $9::int[])
  on conflict (id) do nothing`;

/** Files and what is known of them: bytes go to the object storage first, then their row is written. */
@Injectable()
export class Uploads {
  constructor(
    private readonly database: Database,
    private readonly storage: ObjectStorage,
  ) {}

  /** @throws UploadRefused, UploadConflictError */
  async store(upload: NewUpload): Promise<Upload> {
    const [stored] = await this.storeMany([upload]);
    if (stored === undefined) throw new Error('a stored upload has no row');
    return stored;
  }

  /**
   * All of them or none, in order, with one statement; the files of one job. Objects of a set that failed have no row
   * and are swept.
   * @throws UploadRefused, UploadConflictError
   */
  async storeMany(uploads: readonly NewUpload[]): Promise<Upload[]> {
    if (uploads.length === 0) return [];
    const drafts: Omit<Upload, 'createdAt'>[] = [];
    // One by one: decoding holds a core, and memory for one picture.
    for (const upload of uploads) drafts.push(await this.keep(upload));
    const column = <K extends keyof (typeof drafts)[number]>(name: K) => drafts.map((draft) => draft[name]);
    const rows = await this.database.transaction(async (query) => {
      const ids = column('id');
      await query(INSERT, [
        ids,
        column('userId'),
        column('purpose'),
        column('storageKey'),
        column('mimeType'),
        column('size'),
        column('sha256'),
        column('width'),
        column('height'),
      ]);
      const found = await query<UploadRow>(
        `select ${UPLOAD_COLUMNS} from genledger.uploads u where u.id = any ($1::uuid[])`,
        [ids],
      );
      const byId = new Map(found.map((row) => [row.id, toUpload(row)]));
      return drafts.map((draft) => sameUpload(draft, byId.get(draft.id)));
    });
    return rows;
  }

  /** Undefined where it does not exist, is another's, or is an output that no job has linked yet. */
  async get(actor: Actor, id: string): Promise<Upload | undefined> {
    if (!isUuid(id)) return undefined;
    const [row] = await this.database.read(actor, (query) =>
      query<UploadRow>(
        `select ${UPLOAD_COLUMNS} from genledger.uploads u where u.id = $1 and ${IS_VISIBLE}`,
        [id],
      ),
    );
    return row && toUpload(row);
  }

  /** Without an actor: for callers that hold a signed link. */
  async find(id: string): Promise<Upload | undefined> {
    if (!isUuid(id)) return undefined;
    const sql = `select ${UPLOAD_COLUMNS} from genledger.uploads u where u.id = $1`;
    const [row] = await this.database.write<UploadRow>(sql, [id]);
    return row && toUpload(row);
  }

  /** The actor's own, newest first, after `before` (an id). */
  async list(
    actor: Actor,
    page: { readonly purpose?: UploadPurpose; readonly before?: string; readonly limit: number },
  ): Promise<UploadPage> {
    const values = [actor.userId, page.purpose ?? null, page.before ?? null, page.limit + 1];
    const rows = await this.database.read(actor, (query) => query<UploadRow>(LIST, values));
    return { uploads: rows.slice(0, page.limit).map(toUpload), hasMore: rows.length > page.limit };
  }

  /** The row goes first: what is left behind by a crash is an object without a row, which the sweeper removes. */
  async delete(actor: Actor, id: string): Promise<'deleted' | 'absent' | 'in_use'> {
    if (!isUuid(id)) return 'absent';
    const owner = actor.role === 'admin' ? null : actor.userId;
    const outcome = await this.database.transaction(async (query) => {
      const [held] = await query<{ storage_key: string; used: boolean }>(
        `select u.storage_key,
                exists (select from genledger.job_outputs o where o.upload_id = u.id)
                or exists (select from genledger.assets a where a.user_id = u.user_id and a.upload_id = u.id) as used
           from genledger.uploads u where u.id = $1 and ($2::uuid is null or u.user_id = $2) for update`,
        [id, owner],
      );
      if (!held) return 'absent';
      if (held.used) return 'in_use';
      await query(`delete from genledger.uploads where id = $1`, [id]);
      return { storageKey: held.storage_key };
    });
    if (typeof outcome === 'string') return outcome;
    await this.storage.delete(outcome.storageKey);
    return 'deleted';
  }

  /** Checks the bytes and makes them durable. */
  private async keep({
    id = newId(),
    userId,
    purpose,
    bytes,
    declaredMimeType,
  }: NewUpload): Promise<Omit<Upload, 'createdAt'>> {
    const facts = await readImageFacts(bytes, declaredMimeType);
    const storageKey = storageKeyOf(userId, id, facts.mimeType);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await this.storage.put(storageKey, bytes);
    return { id, userId, purpose, storageKey, size: bytes.length, sha256, ...facts };
  }
}

function sameUpload(draft: Omit<Upload, 'createdAt'>, stored: Upload | undefined): Upload {
  const isSame =
    stored?.userId === draft.userId && stored.purpose === draft.purpose && stored.sha256 === draft.sha256;
  if (!isSame) throw new UploadConflictError();
  return stored;
}
