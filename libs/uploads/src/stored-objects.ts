import { createHash } from 'node:crypto';
import { Findings } from '@genledger/platform';
import type { Database, ReportProgress, VerificationResult } from '@genledger/platform';
import type { ObjectStorage, StoredObject } from './object-storage';
import { UPLOAD_COLUMNS } from './upload';
import type { UploadRow } from './upload';
import { SWEEP_GRACE } from './upload-sweeper';

const INVARIANTS = {
  outputs_have_uploads: 'Every output of a job is an upload of the recorded type, size and SHA-256',
  objects_stored: 'Every upload has its object, of the recorded size and SHA-256',
  objects_recorded: 'No object is without an upload for longer than the sweeper leaves it alone',
} as const;
type StorageFindings = Findings<keyof typeof INVARIANTS>;

/** Rows or keys in one statement. */
const CHUNK = 500;
/** Files read at a time. */
const READERS = 4;
const NIL_ID = '00000000-0000-0000-0000-000000000000';

/** Reads every stored object, and compares both ways with what is recorded. Nothing is written. */
export async function verifyStoredObjects(
  database: Database,
  storage: ObjectStorage,
  report: ReportProgress = () => undefined,
): Promise<VerificationResult[]> {
  const findings = new Findings(INVARIANTS);
  await verifyOutputs(database, findings);
  await verifyUploads(database, storage, findings, report);
  await verifyObjects(database, storage, findings);
  return findings.results();
}

async function verifyOutputs(database: Database, findings: StorageFindings): Promise<void> {
  let after = { job_id: NIL_ID, position: 0 };
  for (;;) {
    const rows = await database.write<{ job_id: string; position: number; fault: string | null }>(
      `select o.job_id, o.position,
              case when u.id is null then 'has no upload'
                   when (o.mime_type, o.size, o.sha256, o.width, o.height)
                        is distinct from (u.mime_type, u.size, u.sha256, u.width, u.height)
                   then 'is recorded otherwise in the upload' end as fault
         from genledger.job_outputs o left join genledger.uploads u on u.id = o.upload_id
        where (o.job_id, o.position) > ($1::uuid, $2::int) order by o.job_id, o.position limit ${CHUNK}`,
      [after.job_id, after.position],
    );
    for (const { job_id, position, fault } of rows)
      if (fault) findings.offends('outputs_have_uploads', job_id, `output ${position} ${fault}`);
    findings.checked('outputs_have_uploads', rows.length);
    const last = rows.at(-1);
    if (!last || rows.length < CHUNK) return;
    after = last;
  }
}

async function verifyUploads(
  database: Database,
  storage: ObjectStorage,
  findings: StorageFindings,
  report: ReportProgress,
): Promise<void> {
  const [counted] = await database.write<{ n: number }>(`select count(*) as n from genledger.uploads`);
  const total = counted?.n ?? 0;
  let done = 0;
  for (let after = NIL_ID; ;) {
    const rows = await database.write<UploadRow>(
      `select ${UPLOAD_COLUMNS} from genledger.uploads u where u.id > $1 order by u.id limit ${CHUNK}`,
      [after],
    );
    const waiting = [...rows];
    const readOn = async (): Promise<void> => {
      for (let row = waiting.shift(); row; row = waiting.shift()) {
        const fault = await objectFault(storage, row);
        if (fault && (await isRecorded(database, row.storage_key)))
          findings.offends('objects_stored', row.id, `${storage.location(row.storage_key)} ${fault}`);
        report({ step: 'files', done: ++done, total });
      }
    };
    await Promise.all(Array.from({ length: READERS }, readOn));
    findings.checked('objects_stored', rows.length);
    const last = rows.at(-1);
    if (!last || rows.length < CHUNK) return;
    after = last.id;
  }
}

async function objectFault(storage: ObjectStorage, row: UploadRow): Promise<string | null> {
  const object = await storage.get(row.storage_key);
  if (!object) return 'is missing';
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of object.stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  if (size !== row.size) return `has ${size} bytes, recorded are ${row.size}`;
  return hash.digest('hex') === row.sha256 ? null : 'has another SHA-256 than is recorded';
}

/** It may have been deleted since its row was read. */
async function isRecorded(database: Database, key: string): Promise<boolean> {
  const rows = await database.write(`select 1 from genledger.uploads where storage_key = $1`, [key]);
  return rows.length > 0;
}

async function verifyObjects(
  database: Database,
  storage: ObjectStorage,
  findings: StorageFindings,
): Promise<void> {
  const before = new Date(Date.now() - SWEEP_GRACE);
  let chunk: StoredObject[] = [];
  const look = async (): Promise<void> => {
    const strays = await database.write<{ key: string }>(
      `select k.key from unnest($1::text[]) as k(key)
        where not exists (select from genledger.uploads u where u.storage_key = k.key)`,
      [chunk.map(({ key }) => key)],
    );
    for (const { key } of strays)
      findings.offends('objects_recorded', key, `${storage.location(key)} belongs to no upload`);
    findings.checked('objects_recorded', chunk.length);
    chunk = [];
  };
  for await (const object of storage.list()) {
    if (object.modifiedAt >= before) continue;
    chunk.push(object);
    if (chunk.length === CHUNK) await look();
  }
  await look();
}
