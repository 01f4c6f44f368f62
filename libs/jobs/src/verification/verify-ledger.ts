import { Findings } from '@genledger/platform';
import type { Database, Query, ReportProgress, VerificationResult } from '@genledger/platform';
import { inSnapshot, LEDGER_INVARIANTS, MAX_ID, NIL_ID } from './invariants';
import type { IdRange, LedgerFindings } from './invariants';
import { verifyJobs } from './job-invariants';
import { verifyCheckpoints, verifyCosts } from './money-invariants';
import { verifyStatistics } from './statistics-invariants';
import { verifyContents, verifyStreams } from './stream-invariants';
import { verifyTenants } from './tenant-invariants';

/** Streams in one snapshot: some thousand events, well under a second. */
const STREAMS = 1_000;

/**
 * Holds a whole database against the invariants of the ledger, in short snapshots: it may be in use meanwhile. Nothing is
 * written. Every invariant is in the answer, whether it holds or not.
 */
export async function verifyLedger(
  database: Database,
  report: ReportProgress = () => undefined,
): Promise<VerificationResult[]> {
  const findings = new Findings(LEDGER_INVARIANTS);
  const [counted] = await database.write<{ streams: number }>(
    `select count(*) as streams from genledger.events where version = 1`,
  );
  const total = counted?.streams ?? 0;
  let done = 0;
  for (let after = NIL_ID; after !== MAX_ID;) {
    const { range, streams } = await inSnapshot(database, (query) => verifyNextRange(query, after, findings));
    after = range.upto;
    done += streams;
    report({ step: 'streams', done, total });
  }
  await verifyCosts(database, findings, report);
  await verifyStatistics(database, findings, report);
  await verifyCheckpoints(database, findings);
  return findings.results();
}

async function verifyNextRange(
  query: Query,
  after: string,
  findings: LedgerFindings,
): Promise<{ range: IdRange; streams: number }> {
  // A range is a thousandth of its tables: reading them whole for each would take the square of the time.
  await query('set local enable_seqscan = off');
  const rows = await query<{ stream_id: string }>(
    `select stream_id from genledger.events where stream_id > $1 and version = 1 order by stream_id limit ${STREAMS}`,
    [after],
  );
  const streams = rows.length;
  // The last range has no end: what belongs to no stream, or to one without a beginning, is in a range too.
  const range = { after, upto: streams < STREAMS ? MAX_ID : rows.at(-1)!.stream_id };
  await verifyStreams(query, range, streams, findings);
  await verifyContents(query, range, findings);
  await verifyTenants(query, range, streams, findings);
  await verifyJobs(query, range, findings);
  return { range, streams };
}
