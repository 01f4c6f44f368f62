import type { Client } from 'pg';

/** Takes away every text of a job that people or providers wrote; what an erasure leaves. */
export async function eraseContents(superuser: Client, jobId: string): Promise<void> {
  await superuser.query('delete from genledger.contents where stream_id = $1', [jobId]);
  await superuser.query(
    'update genledger.job_requests set content_salt = null, content_body = null where id = $1',
    [jobId],
  );
}
