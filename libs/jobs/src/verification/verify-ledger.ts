import { Findings } from '@genledger/platform';
import type { Database, Query, ReportProgress, VerificationResult } from '@genledger/platform';
import { inSnapshot, LEDGER_INVARIANTS, MAX_ID, NIL_ID } from './invariants';
import type { LedgerFindings } from './invariants';
import { verifyJobs } from './job-invariants';
import { verifyCheckpoints, verifyCosts } from './money-invariants';
import { verifyStatistics } from './statistics-invariants';
import { verifyContents, verifyStreams } from './stream-invariants';
import { countStreams, nextRange, StreamRange } from './stream-ranges';
import { verifyTenants } from './tenant-invariants';

/**
 * Holds a whole database against the invariants of the ledger, in short snapshots: it may be in use meanwhile. Nothing is
 * written. Every invariant is in the answer, whether it holds or not.
 */
export async function verifyLedger(
  database: Database,
  report: ReportProgress = () => undefined,
): Promise<VerificationResult[]> {
  const findings = new Findings(LEDGER_INVARIANTS);
  const total = await countStreams((text, values) => database.write(text, values));
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

async function verifyNextRange(query: Query, after: string, findings: LedgerFindings): Promise<StreamRange> {
  const { range, streams } = await nextRange(query, after);
  await verifyStreams(query, range, streams, findings);
  await verifyContents(query, range, findings);
  await verifyTenants(query, range, streams, findings);
  await verifyJobs(query, range, findings);
  return { range, streams };
}
