import { newId } from '@genledger/platform';
import { alice, bob, MixedLedger, openMixedLedger } from '../../../../test/support/mixed-ledger';
import { admit } from '../admission';
import { verifyLedger } from '../verification/verify-ledger';
import { FOLDED_MODELS, FoldedModel, rebuildSums } from './rebuild-sums';

let ledger: MixedLedger;
beforeAll(async () => {
  ledger = await openMixedLedger();
});
afterEach(() => ledger.restore());
afterAll(() => ledger.close());

async function failing(): Promise<string[]> {
  return (await verifyLedger(ledger.database))
    .filter(({ holds }) => !holds)
    .map(({ invariant }) => invariant);
}

const corruptions: [what: string, model: FoldedModel, sql: string, user: string][] = [
  [
    'a statistic that is off by one',
    'job_statistics',
    `update genledger.job_statistics set count = count + 1 where user_id = '${bob}' and status = 'canceled'`,
    bob,
  ],
  [
    'a cost without jobs in the statistics',
    'job_statistics',
    `insert into genledger.job_statistics values ('${bob}', 'failed', 0, 3)`,
    bob,
  ],
  [
    'statistics that are gone',
    'job_statistics',
    `delete from genledger.job_statistics where user_id = '${alice}' and status = 'succeeded'`,
    alice,
  ],
  [
    'a cent too much in the summary',
    'generation_job_summary',
    `update genledger.generation_job_summary set total_cost_cents = total_cost_cents + 1
      where user_id = '${alice}' and status = 'succeeded'`,
    alice,
  ],
  [
    'a summary that begins after its first job',
    'generation_job_summary',
    `update genledger.generation_job_summary set first_job_at = now() + interval '1 day'
      where user_id = '${bob}' and status = 'canceled'`,
    bob,
  ],
  [
    'a summary without times',
    'generation_job_summary',
    `update genledger.generation_job_summary set first_job_at = null, last_job_at = null
      where user_id = '${bob}' and status = 'canceled'`,
    bob,
  ],
];

it.each(corruptions)('finds %s, and mends it', async (_what, model, sql, user) => {
  await ledger.spoil(sql);
  const checked = await rebuildSums(ledger.database, model, { check: true });
  expect(checked.differing).toMatchObject([{ user_id: user }]);
  expect(await failing()).not.toEqual([]);
  expect(await rebuildSums(ledger.database, model, { check: false })).toEqual(checked);
  expect(await failing()).toEqual([]);
  await ledger.projector.drain();
  expect(await failing()).toEqual([]);
});

describe.each(FOLDED_MODELS)('%s', (model) => {
  it.each([1, 2, 5, 1_000])('is equal to the log, read in pieces of %i', async (positionsAtOnce) => {
    await ledger.projector.drain();
    expect(await rebuildSums(ledger.database, model, { check: true, positionsAtOnce })).toMatchObject({
      differing: [],
    });
    await ledger.superuser.query(`delete from genledger.${model}`);
    await rebuildSums(ledger.database, model, { check: false, positionsAtOnce });
    expect(await failing()).toEqual([]);
  });

  it('goes on where it was stopped', async () => {
    await ledger.projector.drain();
    await ledger.superuser.query(`delete from genledger.${model}`);
    const stopped = rebuildSums(ledger.database, model, {
      check: false,
      positionsAtOnce: 4,
      report: ({ done }) => {
        if (done === 8) throw new Error('stopped');
      },
    });
    await expect(stopped).rejects.toThrow('stopped');
    expect(await rebuildSums(ledger.database, model, { check: false })).toMatchObject({ resumedAfter: 8 });
    expect(await failing()).toEqual([]);
    expect(await ledger.database.write('select model from genledger.rebuilds')).toEqual([]);
    expect(await ledger.database.write('select model from genledger.rebuilt_sums')).toEqual([]);
  });

  it('neither loses nor doubles what is queued, ended and folded beside it', async () => {
    await ledger.projector.drain();
    let rebuilt = false;
    let folds = 0;
    const actor = { userId: bob, role: 'user' } as const;
    const meta = { actor: 'test' };
    const job = admit({ kind: 'external', mode: 'test', costCents: 2 });
    const work = async (): Promise<void> => {
      while (!rebuilt) {
        const id = newId();
        await ledger.store.submit({ id, userId: bob, command: { type: 'queue', actor, job }, meta });
        await ledger.store.submit({ id, userId: bob, command: { type: 'cancel', actor }, meta });
      }
    };
    const fold = async (): Promise<void> => {
      for (; !rebuilt; folds++) await ledger.projector.drain();
    };
    const rebuilding = async (): Promise<void> => {
      for (let round = 0; round < 10; round++) {
        await ledger.superuser.query(`delete from genledger.${model}`);
        await rebuildSums(ledger.database, model, { check: false, positionsAtOnce: 50 });
        // What was folded between the deletion and the rebuild is right again, and so is what comes after.
      }
    };
    await Promise.all([work(), fold(), rebuilding().finally(() => (rebuilt = true))]);
    expect(folds).toBeGreaterThan(10);
    expect(await failing()).toEqual([]);
    await ledger.projector.drain();
    expect(await failing()).toEqual([]);
  });
});
