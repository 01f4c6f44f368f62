import { Watermark } from '@genledger/event-store';
import type { Database, ReportProgress } from '@genledger/platform';
import { inSnapshot, LedgerFindings } from './invariants';

/** Positions in one statement: about 100 ms. */
const POSITIONS = 50_000;

interface UserCents {
  readonly user_id: string;
  readonly cents: number;
}

/**
 * Adds up the deltas of every event and compares with what the folded costs and their tail say.
 *
 * Events up to the watermark are settled, so they are added up in short statements. What is above it is read in one
 * snapshot with the costs: that snapshot sees all that is settled, so both sides are of the same moment.
 */
export async function verifyCosts(
  database: Database,
  findings: LedgerFindings,
  report: ReportProgress,
): Promise<void> {
  const watermark = await new Watermark(database.writer).read();
  const incurred = new Map<string, number>();
  const add = (rows: readonly UserCents[]): void => {
    for (const { user_id, cents } of rows) incurred.set(user_id, (incurred.get(user_id) ?? 0) + cents);
  };
  for (let after = 0; after < watermark; after += POSITIONS) {
    const bounds = [after, Math.min(after + POSITIONS, watermark)];
    const [sums, doubled] = await Promise.all([
      database.write<UserCents & { events: number }>(
        `select user_id, sum((data ->> 'cost_delta_cents')::bigint)::bigint as cents, count(*) as events
           from genledger.events where position > $1 and position <= $2 group by user_id`,
        bounds,
      ),
      database.write<{ position: number; n: number }>(
        `select position, count(*) as n from genledger.events where position > $1 and position <= $2
          group by position having count(*) > 1`,
        bounds,
      ),
    ]);
    add(sums);
    for (const { position, n } of doubled)
      findings.offends('positions_unique', String(position), `${n} events have it`);
    findings.checked(
      'positions_unique',
      sums.reduce((sum, { events }) => sum + events, 0),
    );
    report({ step: 'positions', done: bounds[1]!, total: watermark });
  }

  const [tail, costs] = await inSnapshot(database, (query) =>
    Promise.all([
      query<UserCents>(
        `select user_id, sum((data ->> 'cost_delta_cents')::bigint)::bigint as cents
           from genledger.events where position > $1 group by user_id`,
        [watermark],
      ),
      query<UserCents>(
        `select user_id, sum(incurred_cents)::bigint as cents from genledger.exact_job_costs group by user_id`,
      ),
    ]),
  );
  add(tail);
  const folded = new Map(costs.map(({ user_id, cents }) => [user_id, cents]));
  for (const user of new Set([...incurred.keys(), ...folded.keys()])) {
    const [events, models] = [incurred.get(user) ?? 0, folded.get(user) ?? 0];
    if (events !== models)
      findings.offends('costs_equal_events', user, `${models} cents, by the events ${events} cents`);
    findings.checked('costs_equal_events', 1);
  }
}

/** Checkpoints are read before the watermark, which only rises. */
export async function verifyCheckpoints(database: Database, findings: LedgerFindings): Promise<void> {
  const reached = await database.write<{ name: string; position: number }>(
    `select name, position from genledger.checkpoints
     union all select 'tick', max(position) from genledger.ticks having max(position) is not null`,
  );
  const watermark = await new Watermark(database.writer).read();
  for (const { name, position } of reached) {
    if (position > watermark)
      findings.offends('checkpoints_settled', name, `at ${position}, the watermark is ${watermark}`);
    findings.checked('checkpoints_settled', 1);
  }
}
