import type { Actor, Database } from '@genledger/platform';
import type { JobOutput } from '../job-events';
import { GENERATION_JOB_COLUMNS, GenerationJobRow } from '../read-models/generation-job.entity';

/** A job as the read models hold it, for comparison with its replay. `row` is null where the actor sees none. */
export function readJobRow(
  database: Database,
  actor: Actor,
  id: string,
): Promise<{ row: GenerationJobRow | null; outputs: JobOutput[] }> {
  return database.read(actor, async (query) => {
    const [rows, outputs] = await Promise.all([
      query<GenerationJobRow>(
        `select ${GENERATION_JOB_COLUMNS} from genledger.generation_jobs where id = $1`,
        [id],
      ),
      query<JobOutput>(
        `select position, upload_id, mime_type, size, sha256, width, height
           from genledger.job_outputs where job_id = $1 order by position`,
        [id],
      ),
    ]);
    return { row: rows[0] ?? null, outputs };
  });
}
